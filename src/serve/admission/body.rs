//! Requests' bodies, of bounded size, number and time.

use super::Refused;
use crate::limits::{REVIEW_BYTES, REVIEW_TIME};
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use std::time::Duration;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// A body that has arrived whole. While it is held it counts.
pub(super) struct Received<'s> {
    pub bytes: Vec<u8>,
    _counted: Option<SemaphorePermit<'s>>,
}

/// Receives a body; `room` are the bytes that all of them may have together. They count as they arrive: who only announces
/// much holds up nobody.
pub(super) async fn receive(body: Incoming, room: &Semaphore) -> Result<Received<'_>, Refused> {
    receive_within(body, room, REVIEW_TIME).await
}

async fn receive_within(mut body: Incoming, room: &Semaphore, time: Duration) -> Result<Received<'_>, Refused> {
    let too_large = || Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("a review has at most {REVIEW_BYTES} bytes"));
    if body.size_hint().lower() > REVIEW_BYTES {
        return Err(too_large());
    }
    let receiving = async {
        let (mut bytes, mut counted) = (Vec::new(), None::<SemaphorePermit<'_>>);
        while let Some(frame) = body.frame().await {
            let broken = |_| Refused(StatusCode::BAD_REQUEST, "the review broke off".to_owned());
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if (bytes.len() + data.len()) as u64 > REVIEW_BYTES {
                return Err(too_large());
            }
            let more = room.acquire_many(u32::try_from(data.len()).unwrap_or(u32::MAX)).await;
            let more = more.map_err(|_| Refused(StatusCode::SERVICE_UNAVAILABLE, "the server stops".to_owned()))?;
            match &mut counted {
                Some(counted) => counted.merge(more),
                None => counted = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Received { bytes, _counted: counted })
    };
    let late = || Refused(StatusCode::REQUEST_TIMEOUT, format!("the review was not there within {} s", time.as_secs()));
    timeout(time, receiving).await.map_err(|_| late())?
}
