//! Whatever happens to upstreams, and to weir itself: no GET fails, no POST is executed twice, and none is lost that had not
//! reached an endpoint that died.

mod load;
mod matrix;
mod upstream;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use self::load::Load;
use self::matrix::{Cast, Fault, Proxy, Toll, weir_config};
use crate::e2e::weir::Weir;

/// Not a test: the upstream processes of the tests below are this very program, started again with this as all it does.
#[test]
#[ignore = "started by the other tests as a process of its own"]
fn upstream_process() {
    if upstream::is_asked_for() {
        upstream::serve();
    }
}

fn program() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["faults::upstream_process", "--exact", "--ignored", "--nocapture"]);
    command
}

/// A port of the kernel's choice.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Tested {
    weir: Weir,
    addresses: [SocketAddr; 4],
}

impl Proxy for Tested {
    fn reload(&mut self, round: u32) {
        self.weir.write_config(&weir_config(ANY, self.addresses, round));
    }

    fn terminate(&mut self) {
        self.weir.signal("TERM");
    }
}

async fn suffer(fault: Fault) -> (Toll, Tested) {
    let cast = Cast::start(program);
    let addresses = cast.addresses();
    let mut tested = Tested { weir: Weir::start(&weir_config(ANY, addresses, 0)).await, addresses };
    let load = Load::start(tested.weir.address("web"), 8, 4);
    let toll = cast.suffer(fault, load, &mut tested).await;
    (toll, tested)
}

/// Puts weir through `fault`; everything but POST requests that had arrived has to go well.
async fn survived(fault: Fault) -> (Toll, Tested) {
    let (toll, tested) = suffer(fault).await;
    let log = tested.weir.log();
    assert_eq!((toll.failed_gets, toll.doubled_posts), (0, 0), "{toll:#?}\n{log}");
    // What is written to a connection that is reset unread may have arrived, as far as anybody can know.
    assert!(toll.lost_posts <= toll.resets, "{toll:#?}\n{log}");
    (toll, tested)
}

/// [`survived`], where not even a POST fails.
async fn unharmed(fault: Fault) -> (Toll, Tested) {
    let (toll, tested) = survived(fault).await;
    assert_eq!(toll.failed_posts, 0, "{toll:#?}\n{}", tested.weir.log());
    (toll, tested)
}

#[tokio::test]
async fn a_killed_process_costs_no_get_and_no_post_but_those_it_had() {
    survived(Fault::Kill).await;
}

#[tokio::test]
async fn gets_at_a_frozen_process_are_repeated_elsewhere_and_posts_wait_for_it() {
    unharmed(Fault::Freeze).await;
}

#[tokio::test]
async fn an_endpoint_that_resets_new_connections_costs_no_get() {
    survived(Fault::ResetConnections).await;
}

#[tokio::test]
async fn an_endpoint_that_resets_requests_costs_no_get_and_no_post_is_repeated() {
    survived(Fault::ResetRequests).await;
}

#[tokio::test]
async fn an_answer_that_is_reset_half_way_costs_no_get() {
    survived(Fault::ResetAnswers).await;
}

#[tokio::test]
async fn a_slow_endpoint_costs_no_request() {
    unharmed(Fault::Slow).await;
}

#[tokio::test]
async fn an_endpoint_that_answers_503_costs_no_get() {
    survived(Fault::Errors).await;
}

#[tokio::test]
async fn endpoints_known_to_close_idle_connections_at_random_cost_nothing() {
    unharmed(Fault::IdleCloses).await;
}

#[tokio::test]
async fn endpoints_that_restart_one_after_the_other_cost_no_get() {
    survived(Fault::Restarts).await;
}

#[tokio::test]
async fn reloading_ten_times_a_second_costs_nothing() {
    unharmed(Fault::Reloads).await;
}

#[tokio::test]
async fn termination_under_load_costs_nothing_and_clients_are_told() {
    let (_, mut tested) = unharmed(Fault::Termination).await;
    assert!(tested.weir.ended().await.success(), "{}", tested.weir.log());
}
