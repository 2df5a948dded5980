use super::*;

/// A connection with so many open streams, whose endpoint answers no PING.
fn heart(streams: usize) -> (Heart, Rc<Life>) {
    let life = Rc::new(Life::begin());
    (0..streams).for_each(|_| life.add_stream());
    let mut heart = Heart { life: life.clone(), pings: None, deadline: Deadline::default(), asked: None };
    heart.deadline.set(PING_INTERVAL);
    (heart, life)
}

/// Whether it stops within `time`.
async fn stops_within(heart: &mut Heart, time: Duration) -> bool {
    tokio::time::timeout(time, poll_fn(|cx| heart.poll_stopped(cx))).await.is_ok()
}

const MOMENT: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_silent_and_does_not_answer_when_asked_is_given_up() {
    let (mut heart, _) = heart(1);
    assert!(!stops_within(&mut heart, PING_INTERVAL + PING_TIMEOUT - MOMENT).await);
    assert!(heart.asked.is_some());
    assert!(stops_within(&mut heart, 2 * MOMENT).await);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_talks_is_there_though_it_answers_no_ping() {
    let (mut heart, life) = heart(1);
    assert!(!stops_within(&mut heart, PING_INTERVAL + MOMENT).await);
    life.hear();
    assert!(!stops_within(&mut heart, PING_INTERVAL).await);
    assert!(stops_within(&mut heart, 2 * PING_TIMEOUT).await, "silent again");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_owes_nothing_is_not_asked() {
    let (mut heart, life) = heart(0);
    assert!(!stops_within(&mut heart, 3 * PING_INTERVAL).await);
    life.add_stream();
    life.hear();
    assert!(!stops_within(&mut heart, PING_INTERVAL - MOMENT).await);
}
