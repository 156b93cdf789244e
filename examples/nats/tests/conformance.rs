//! The suite that every delivery service has to pass, on NATS: one server, and three that replicate.

use std::sync::Arc;

use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{DeliveryService, conformance};
use subrosa_nats_examples::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn one_server_keeps_the_contract() {
    keeps_the_contract(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_keep_the_contract() {
    keeps_the_contract(3).await;
}

async fn keeps_the_contract(servers: usize) {
    let cluster = Cluster::ready(servers).await.expect("servers");
    let urls = cluster.urls();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let fresh = std::sync::atomic::AtomicUsize::new(0);
    conformance::run(async |limits| {
        let number = fresh.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // A space of its own, as a service that nobody has used. (JetStream sets aside what a stream may hold.)
        let limits = subrosa_delivery::Limits { max_stored_bytes: 64 << 20, ..limits };
        let config = NatsConfig {
            space: format!("check-{number}"),
            replicas: servers,
            limits,
            ..NatsConfig::default()
        };
        Arc::new(Nats::connect(&urls, config).await.expect("a connection")) as Arc<dyn DeliveryService>
    })
    .await;
}
