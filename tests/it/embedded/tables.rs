//! The part of the contract about tables: the columns of `kubectl get`.

use ::http::Method;
use serde_json::{Value, json};

use super::contract::{config_map, deployment, is_rolled_out};
use super::fixture::World;

/// The columns of a table, each with its priority, and the cells of its first row.
pub async fn table(world: &World, path: &str) -> (String, Vec<Value>) {
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let answer = world.asked(Method::GET, path, "", None, accept).await.ok();
    assert_eq!(answer["kind"], "Table");
    let all = answer["columnDefinitions"].as_array().unwrap().clone();
    let columns: Vec<String> =
        all.iter().map(|one| format!("{}{}", one["name"].as_str().unwrap(), one["priority"])).collect();
    let cells = answer["rows"][0]["cells"].as_array().unwrap().clone();
    assert_eq!(columns.len(), cells.len());
    assert_eq!(answer["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    (columns.join(" "), cells)
}

pub async fn tables_have_columns_of_kubectl(world: &World) {
    world.post(&world.at("apps/v1", "deployments"), &deployment("web", 1)).await.ok();
    world.until(&world.at("apps/v1", "deployments/web"), is_rolled_out).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    world.post(&world.at("v1", "services"), &service).await.ok();
    let (columns, cells) = table(world, &world.at("v1", "pods?labelSelector=app%3Dweb")).await;
    assert_eq!(columns, "Name0 Ready0 Status0 Restarts0 Age0 IP1 Node1 Nominated Node1 Readiness Gates1");
    assert_eq!(
        (&cells[1], &cells[2], cells[3].to_string().contains('0')),
        (&json!("1/1"), &json!("Running"), true)
    );
    assert_eq!((&cells[7], &cells[8]), (&json!("<none>"), &json!("<none>")));
    let (columns, cells) = table(world, &world.at("apps/v1", "deployments")).await;
    assert_eq!(columns, "Name0 Ready0 Up-to-date0 Available0 Age0 Containers1 Images1 Selector1");
    assert_eq!(cells[..4], [json!("web"), json!("1/1"), json!(1), json!(1)]);
    assert_eq!(cells[5..], [json!("main"), json!("testbed/busybox:1"), json!("app=web")]);
    let (columns, cells) = table(world, &world.at("v1", "services")).await;
    assert_eq!(columns, "Name0 Type0 Cluster-IP0 External-IP0 Port(s)0 Age0 Selector1");
    assert_eq!(
        (&cells[1], &cells[3], &cells[4], &cells[6]),
        (&json!("ClusterIP"), &json!("<none>"), &json!("80/TCP"), &json!("app=web"))
    );
}

pub async fn table_cells_show_object_fields(world: &World) {
    world.post(&world.at("apps/v1", "deployments"), &deployment("web", 1)).await.ok();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    world.post(&world.at("v1", "services"), &service).await.ok();
    world.until(&world.at("apps/v1", "deployments/web"), is_rolled_out).await;
    world.until(&world.at("v1", "endpoints/web"), |answer| answer.body["subsets"].is_array()).await;
    world.post(&world.at("v1", "configmaps"), &config_map("settings", &json!({}))).await.ok();
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"a": "b"}});
    world.post(&world.at("v1", "secrets"), &secret).await.ok();
    let (columns, cells) = table(world, &world.at("apps/v1", "replicasets")).await;
    assert_eq!(columns, "Name0 Desired0 Current0 Ready0 Age0 Containers1 Images1 Selector1");
    assert_eq!((&cells[1..4], &cells[5]), ([json!(1), json!(1), json!(1)].as_slice(), &json!("main")));
    assert!(cells[7].as_str().unwrap().starts_with("app=web,pod-template-hash="), "{cells:?}");
    let (columns, cells) = table(world, &world.at("v1", "endpoints/web")).await;
    assert_eq!(columns, "Name0 Endpoints0 Age0");
    assert!(cells[1].as_str().unwrap().ends_with(":80"), "{cells:?}");
    let (columns, cells) = table(world, &world.at("v1", "configmaps/settings")).await;
    assert_eq!((columns.as_str(), &cells[1]), ("Name0 Data0 Age0", &json!(1)));
    let (columns, cells) = table(world, &world.at("v1", "secrets/key")).await;
    assert_eq!(columns, "Name0 Type0 Data0 Age0");
    assert_eq!(cells[1..3], [json!("Opaque"), json!(1)]);
    let (columns, cells) = table(world, &format!("/api/v1/namespaces/{}", world.namespace)).await;
    assert_eq!((columns.as_str(), &cells[1]), ("Name0 Status0 Age0", &json!("Active")));
    let (columns, cells) = table(world, "/api/v1/nodes").await;
    let wide = "Internal-IP1 External-IP1 OS-Image1 Kernel-Version1 Container-Runtime1";
    assert_eq!(columns, format!("Name0 Status0 Roles0 Age0 Version0 {wide}"));
    assert!(
        ["Ready", "NotReady", "Unknown"].iter().any(|known| cells[1].as_str().unwrap().starts_with(known))
    );
}
