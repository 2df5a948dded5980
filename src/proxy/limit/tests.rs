use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Longer than anything that is ready takes; on the paused clock it costs nothing.
const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_place_beyond_the_limit_waits_until_one_is_given_back() {
    let limit = ConnectionLimit::new(2);
    let first = limit.acquire().await;
    let _second = limit.acquire().await;
    let mut third = Box::pin(limit.acquire());
    assert!(futures_pending(third.as_mut()).await);
    drop(first);
    let _third = timeout(NEVER, third).await.expect("a place was given back");
}

#[tokio::test]
async fn a_higher_limit_lets_the_waiting_in() {
    let limit = ConnectionLimit::new(0);
    let mut waiting = Box::pin(limit.acquire());
    assert!(futures_pending(waiting.as_mut()).await);
    limit.set(1);
    timeout(NEVER, waiting).await.expect("the limit rose");
}

#[tokio::test]
async fn a_lower_limit_keeps_newcomers_out_until_enough_have_left() {
    let limit = ConnectionLimit::new(3);
    let mut held = vec![limit.acquire().await, limit.acquire().await, limit.acquire().await];
    limit.set(1);
    let mut waiting = Box::pin(limit.acquire());
    held.pop();
    held.pop();
    assert!(futures_pending(waiting.as_mut()).await, "one is still open, and one is the limit");
    held.pop();
    timeout(NEVER, waiting).await.expect("nobody is left");
}

/// Polls once, and again whenever it asks for it at once.
async fn futures_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    for _ in 0..8 {
        let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        if !pending {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}
