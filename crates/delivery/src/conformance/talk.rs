//! Checks of the talk lane: in order, and forgotten.

use super::{Service, call, next, take, text};
use crate::{Limits, Talk};

/// Shows that all listeners hear a publisher in its order.
pub async fn talk_arrives_in_order(service: Service) {
    let mut one = service.listen_talk(call(1)).await.expect("talk can be listened to");
    let mut other = service.listen_talk(call(1)).await.expect("talk can be listened to");
    let expected: Vec<Talk> = (0..20).map(|n| Talk::Message(text(n))).collect();
    for n in 0..20 {
        service.publish_talk(call(1), text(n)).await.expect("talk can be published");
    }

    assert_eq!(take(&mut one, 20).await, expected, "a listener hears a publisher in its order");
    assert_eq!(take(&mut other, 20).await, expected, "every listener hears every message");
}

/// Shows that talk is not kept for those who come later, with or without somebody who listens.
pub async fn talk_is_forgotten(service: Service) {
    service.publish_talk(call(1), text("to nobody")).await.expect("talk needs no listener");
    let mut early = service.listen_talk(call(1)).await.expect("talk can be listened to");
    service.publish_talk(call(1), text("before")).await.expect("talk can be published");
    assert_eq!(
        next(&mut early).await,
        Talk::Message(text("before")),
        "a listener hears what is new, only that"
    );

    let mut late = service.listen_talk(call(1)).await.expect("talk can be listened to");
    service.publish_talk(call(1), text("after")).await.expect("talk can be published");
    assert_eq!(
        next(&mut late).await,
        Talk::Message(text("after")),
        "a late listener hears what is new, only that"
    );
    assert_eq!(next(&mut early).await, Talk::Message(text("after")), "an early listener stays");
}

/// Shows that a listener who reads too late loses the oldest, never the newest, and is told how many.
///
/// How many are lost depends on what an engine has under way; that none is lost silently does not.
pub async fn a_slow_listener_is_told(service: Service, limits: &Limits) {
    let total = 10 * limits.talk_backlog as u64;
    let mut slow = service.listen_talk(call(1)).await.expect("talk can be listened to");
    for n in 0..total {
        service.publish_talk(call(1), text(n)).await.expect("a publisher does not wait for listeners");
    }

    let mut accounted = 0;
    while accounted < total {
        match next(&mut slow).await {
            Talk::Lagged(lost) => accounted += lost,
            Talk::Message(message) => {
                assert_eq!(message, text(accounted), "a listener is told of every message that it lost");
                accounted += 1;
                if accounted == total {
                    return;
                }
            }
        }
    }
    panic!("a slow listener loses the oldest messages, not the newest");
}
