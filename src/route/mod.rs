//! Which rule matches a request: host, path, headers, query, method, in the precedence of the Gateway API. Pure.

use std::marker::PhantomData;

/// Finds the rule that a request matches; `T` is what the rule leads to.
#[derive(Debug)]
pub struct Router<T>(PhantomData<T>);
