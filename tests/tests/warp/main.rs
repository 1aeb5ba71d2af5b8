//! The filters for Warp, beyond the cases in `behaviour`.

mod composition;
mod rejections;
mod support;
