//! The filters for Warp.

mod composition;
mod layer;
mod limits;
mod rejections;
mod support;
