//! The embedded cluster. The contract is a suite for the embedded cluster and for a real API server: where
//! they differ,
//! the embedded one is wrong. `KUBECTL_CHAOS_TEST_CONTEXT` names the real one.

mod applied;
mod contract;
mod determinism;
mod fixture;
mod kubectl;
mod malformed;
mod readiness;
mod run;
mod tables;

use fixture::World;

/// Runs each part of the contract on its own cluster.
macro_rules! contract {
    ($($part:ident),+ $(,)?) => {
        /// On a cluster in this process.
        mod on_embedded {
            $(#[test]
            fn $part() {
                super::World::embedded(super::contract::$part);
            })+
        }
        /// On a real cluster.
        mod on_real {
            $(#[test]
            #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT"]
            fn $part() {
                super::World::real(super::contract::$part);
            })+
        }
    };
}

contract!(
    object_is_created_only_once,
    stale_resource_version_causes_conflict,
    all_patch_types_are_applied,
    lists_support_selectors_and_pages,
    watch_reports_events_in_order,
    missing_fields_get_default_values,
    invalid_objects_are_rejected,
    deployments_roll_out_and_scale,
    pods_terminate_after_grace_period,
    disruption_budget_blocks_eviction,
    dependents_are_deleted_with_owner,
    service_without_pods_has_no_endpoints,
    namespace_deletion_deletes_its_objects,
    tables_have_columns_of_kubectl,
    table_cells_show_object_fields,
    dry_run_request_changes_nothing,
    unready_pod_states_reason,
    pods_on_unreachable_nodes_are_not_ready,
);

#[test]
fn malformed_request_bodies_are_answered() {
    World::embedded(malformed::malformed_request_bodies_are_answered);
}
