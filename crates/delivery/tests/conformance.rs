//! The in-process service keeps the contract.

use std::sync::Arc;

use subrosa_delivery::{DeliveryService, InProcess, Limits, conformance};

fn in_process(limits: Limits) -> Arc<dyn DeliveryService> {
    Arc::new(InProcess::new(limits))
}

#[tokio::test]
async fn the_in_process_service_conforms_on_one_thread() {
    conformance::run(async |limits| in_process(limits)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_in_process_service_conforms_on_many_threads() {
    conformance::run(async |limits| in_process(limits)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nine_writers_race_for_two_thousand_positions_and_each_has_one_winner() {
    conformance::one_winner_per_position(in_process(Limits::default()), 9, 2_000).await;
}
