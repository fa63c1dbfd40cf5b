//! The embedded cluster. The contract is one test suite for it and for a real API server: where they differ, the
//! embedded one is wrong. `KUBECTL_CHAOS_TEST_CONTEXT` names the context of the real cluster.

mod contract;
mod determinism;
mod fixture;
mod kubectl;
mod malformed;
mod readiness;
mod rehearsal;
mod tables;

use fixture::World;

/// Runs each part of the contract in its own namespace.
macro_rules! contract {
    ($($part:ident),+ $(,)?) => {
        /// On the embedded cluster.
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
    outdated_writes_conflict,
    all_patch_types_are_applied,
    lists_are_selected_and_paged,
    watches_send_events_in_order,
    omitted_fields_get_defaults,
    invalid_requests_are_rejected,
    deployments_roll_out_and_scale,
    pods_terminate_after_their_grace_period,
    disruption_budgets_block_evictions,
    dependents_are_deleted_with_their_owners,
    services_without_pods_have_no_endpoints,
    namespaces_are_deleted_with_their_contents,
    tables_match_kubectl,
    tables_show_object_fields,
    dry_runs_change_nothing,
    unready_pods_report_the_reason,
    pods_of_unknown_nodes_are_not_ready,
);

#[test]
fn malformed_bodies_get_a_response() {
    World::embedded(malformed::malformed_bodies_get_a_response);
}
