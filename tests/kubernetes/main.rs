//! weir in a real Kubernetes: every trial has a namespace of its own in one [`cluster`] that lives as long as the suite.
//!
//! A trial is `async fn name(ns: Namespace) -> Result`, listed in [`trials`]; it has the cluster to itself but for the other
//! trials, which run at the same time in their namespaces. [`harness`] has what trials are written with. Where a cluster
//! cannot be had, every trial is ignored and the reason is said.
//!
//! `cargo test --test kubernetes -- rollouts::` runs some; `cargo run --example cluster` gives the same cluster to try things in.

#![allow(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what a module offers to its neighbours")]
#![allow(missing_docs, reason = "names of trials are sentences")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod canaries;
#[path = "../cluster/mod.rs"]
mod cluster;
mod commands;
mod conformance;
mod following;
mod harness;
mod manifests;
mod misfits;
mod pods;
mod readme;
mod releases;
mod removal;
mod resilience;
mod rollouts;
mod services;
mod situations;
mod token;
mod walk;
mod weir;
mod workloads;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion, Trial};

use self::cluster::{Cluster, Parts};
use self::harness::trials;

fn main() -> ExitCode {
    if let Some(ended) = walk::main() {
        return ended;
    }
    let arguments = Arguments::from_args();
    let parts = if wants_conformance() { Parts::Conformance } else { Parts::Plane };
    let why_not = cluster::missing(parts);
    if arguments.list || why_not.is_some() {
        let reason = why_not.as_ref().map(|what| format!("skipped: {what}")).unwrap_or_default();
        if !reason.is_empty() {
            eprintln!("{reason}");
        }
        let trials = all(None).into_iter().map(|trial| if reason.is_empty() { trial } else { ignored(trial, &reason) });
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    cluster::main(parts, |cluster| {
        walk::follow(cluster, [walk::KINDS.to_owned()])?;
        Ok(run(arguments, cluster).exit_code())
    })
}

/// Every trial of the suite.
fn all(cluster: Option<&Cluster>) -> Vec<Trial> {
    // What takes longest begins first: the others run meanwhile.
    let mut all = trials!(
        cluster,
        resilience,
        [without_the_api_server_for_minutes_nothing_fails_or_rises_and_no_decision_is_lost]
    );
    all.extend(trials!(
        cluster,
        readme,
        [its_commands_lead_to_a_promoted_and_to_an_aborted_canary_and_take_weir_away_without_a_trace]
    ));
    all.extend(trials!(
        cluster,
        removal,
        [however_weir_is_deleted_in_mid_canary_it_gives_back_first_and_leaves_nothing_behind]
    ));
    all.extend(trials!(
        cluster,
        pods,
        [
            a_deployment_answers_by_its_service_and_by_its_load_balancer,
            a_pod_that_is_deleted_finishes_what_it_has_begun,
            a_container_that_crashes_is_started_again_later_and_later,
            what_a_container_prints_can_be_read,
            configuration_reaches_a_pod_as_files_and_as_variables,
        ]
    ));
    all.extend(trials!(
        cluster,
        rollouts,
        [an_image_is_set_and_undone, an_image_that_does_not_exist_leaves_the_old_pods_serving,]
    ));
    all.extend(trials!(
        cluster,
        situations,
        [
            one_pod_of_each_and_five_percent_of_10_000_requests,
            without_pods_of_v1_v2_gets_everything,
            an_ingress_with_nginx_canary_annotations_is_served_as_it_is,
            a_host_belongs_to_the_oldest_ingress_and_the_second_is_told,
            a_rolling_update_under_load_fails_no_request,
            the_chart_and_the_kustomization_are_the_same_objects,
            the_charts_are_good,
            an_overlay_of_the_base_may_have_the_components,
        ]
    ));
    all.extend(trials!(
        cluster,
        releases,
        [
            a_good_image_is_promoted_and_the_native_rollout_ends_by_itself,
            a_bad_image_is_aborted_and_gets_nothing_any_more,
            with_on_abort_undo_an_aborted_deployment_has_its_stable_template_again_by_itself,
            an_undo_in_mid_canary_is_an_abort,
            an_image_that_does_not_exist_is_told_and_aborted_at_its_deadline,
            scaling_in_mid_canary_is_the_native_one,
            an_autoscaler_scales_in_mid_canary_as_it_does_without_one,
            a_release_that_is_deleted_leaves_the_deployment_as_it_was_found,
            when_weir_itself_is_deleted_the_deployment_is_left_as_it_was_found_and_a_later_weir_begins_anew,
            what_a_route_among_several_services_sends_to_the_release_is_copied_for_the_canary_and_then_shared,
            explain_tells_what_fails_on_which_route_whichever_replica_saw_it,
            a_leader_that_is_killed_is_followed_by_another_which_knows_everything,
        ]
    ));
    all.extend(trials!(
        cluster,
        workloads,
        [
            an_undo_after_a_promotion_gives_the_known_revision_everything_at_once,
            an_undo_to_revision_1_in_mid_canary_is_an_abort,
            a_restart_is_a_release_of_its_own,
            with_recreate_requests_wait_for_the_new_pods,
            a_release_of_a_recreated_deployment_says_why_there_is_no_canary,
            surge_and_min_ready_seconds_are_honoured,
            users_stay_with_their_version_and_an_outage_of_the_database_is_not_blamed_on_the_canary,
            a_release_that_makes_no_sense_is_told_so_and_the_others_go_on,
            a_master_and_its_workers_move_promote_and_abort_together,
            scaling_under_load_loses_nothing,
            the_same_names_in_two_namespaces_are_independent,
            a_canary_in_a_crash_loop_gets_nothing_and_is_aborted_at_its_deadline,
            a_canary_that_is_never_ready_gets_nothing_and_is_aborted_at_its_deadline,
            a_release_is_attached_to_the_services_of_an_ingress,
        ]
    ));
    all.extend(trials!(
        cluster,
        resilience,
        [
            a_partition_between_replicas_lets_each_cut_its_canary_and_none_raise_it_alone,
            replicas_go_one_after_the_other_and_no_evidence_with_them,
            a_replica_that_is_killed_takes_nothing_with_it_but_what_was_on_its_connections,
            watches_that_are_too_old_begin_anew_and_lose_nothing,
            a_grant_that_is_revoked_ends_what_it_allowed,
        ]
    ));
    all.extend(trials!(
        cluster,
        commands,
        [
            commands_and_explanations_fit_the_moment,
            a_watched_status_shows_each_change_until_it_is_ended,
            a_wait_ends_with_what_is_decided_about_the_image_that_was_set_last,
            an_aborted_canary_that_is_retried_begins_again_at_its_first_step,
            who_may_abort_may_not_promote_and_nobody_speaks_for_another,
        ]
    ));
    all.extend(trials!(
        cluster,
        following,
        [
            endpoints_that_come_and_go_are_followed_within_a_second,
            a_certificate_is_rotated_within_a_second_and_without_a_failed_handshake,
        ]
    ));
    all.extend(trials!(
        cluster,
        misfits,
        [
            a_release_that_loses_its_route_in_mid_canary_says_so_and_its_deployment_can_be_undone,
            a_max_surge_that_somebody_writes_in_mid_canary_is_written_back_told_of_and_kept_for_the_end,
            a_release_that_nobody_carries_out_says_why,
            releases_of_services_that_are_taken_or_missing_say_so_and_so_does_one_without_stable_pods,
        ]
    ));
    all.extend(trials!(
        cluster,
        canaries,
        [
            a_canary_has_as_many_pods_as_its_share_needs_and_no_more,
            what_is_applied_again_in_mid_canary_changes_nothing_unless_it_pins_the_held_fields,
        ]
    ));
    all.extend(trials!(
        cluster,
        services,
        [a_good_candidate_is_promoted_and_a_later_bad_one_is_aborted_without_touching_a_deployment]
    ));
    all.extend(trials!(cluster, token, [the_control_surface_takes_the_token_of_a_secret_that_comes_and_changes_later]));
    let conformance = trials!(cluster, conformance, [the_gateway_api_is_implemented_as_its_own_suite_wants_it]);
    all.extend(conformance.into_iter().map(|trial| {
        if wants_conformance() { trial } else { ignored(trial, "run when it is named: it takes minutes") }
    }));
    all
}

/// Whether the conformance suite is named on the command line.
fn wants_conformance() -> bool {
    std::env::args().any(|argument| argument.starts_with("conformance"))
}

fn run(mut arguments: Arguments, cluster: &Cluster) -> Conclusion {
    // Trials wait for the cluster most of the time, whatever the number of processors.
    arguments.test_threads.get_or_insert(6);
    libtest_mimic::run(&arguments, all(Some(cluster)))
}

/// The same trial, not to be run, with the reason beside its name.
fn ignored(trial: Trial, reason: &str) -> Trial {
    let name = trial.name().to_owned();
    Trial::test(name, || Ok(())).with_kind(reason).with_ignored_flag(true)
}
