//! Stores of deliveries on real engines, one module for each behaviour.

mod broken;
mod conformance;
mod redis;
