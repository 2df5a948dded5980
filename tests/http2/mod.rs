//! HTTP/2 from clients that mean no good, and from one that knows the specification by heart.

mod conformance;
mod floods;
mod frames;
