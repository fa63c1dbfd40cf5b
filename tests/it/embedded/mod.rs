//! The embedded cluster. The contract is one suite that holds for it and for a real API server: where they differ,
//! the embedded one is wrong. The real one is asked where `KUBECTL_CHAOS_TEST_CONTEXT` names it.

mod contract;
mod determinism;
mod fixture;
mod kubectl;
mod malformed;
mod readiness;
mod rehearsal;
mod tables;

use fixture::World;

/// Runs each part of the contract in a world of its own.
macro_rules! contract {
    ($($part:ident),+ $(,)?) => {
        /// In this process.
        mod here {
            $(#[test]
            fn $part() {
                super::World::embedded(super::contract::$part);
            })+
        }
        /// On a real cluster.
        mod there {
            $(#[test]
            #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT"]
            fn $part() {
                super::World::real(super::contract::$part);
            })+
        }
    };
}

contract!(
    objects_are_created_once,
    writes_are_guarded_by_versions,
    four_ways_to_patch,
    lists_select_and_come_in_pages,
    watches_tell_what_happens_in_order,
    what_is_left_out_is_filled_in,
    what_makes_no_sense_is_refused,
    deployments_roll_out_and_scale,
    pods_go_in_their_time,
    budgets_hold_evictions_back,
    dependents_go_with_their_owners,
    services_without_pods_have_no_endpoints,
    namespaces_take_everything_along,
    tables_are_what_kubectl_shows,
    tables_show_what_objects_hold,
    dry_runs_leave_nothing,
    what_is_not_ready_says_why,
    pods_of_silent_nodes_are_not_counted_on,
);

#[test]
fn whatever_stands_in_a_body_is_answered() {
    World::embedded(malformed::whatever_stands_in_a_body_is_answered);
}
