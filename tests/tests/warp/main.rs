//! The filters for Warp, beyond what the table in `behaviour` says of every framework.

mod composition;
mod rejections;
mod support;
