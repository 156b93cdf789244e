//! Real NATS servers for tests and programs: started on free loopback ports, stopped, killed, started again; and a proxy that cuts
//! connections.

mod proxy;
mod servers;

pub use proxy::Proxy;
pub use servers::{Cluster, ServerError};
