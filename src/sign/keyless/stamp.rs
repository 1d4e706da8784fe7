//! Asks a timestamp authority when a signature was there (RFC 3161, over HTTP: 3.4).

use super::{
    ServiceError, ServiceFault,
    config::Service,
    http::{Ask, Http},
};
use crate::{crypto::timestamp_request, limits::TRIES};

const NAME: &str = "the timestamp authority";

/// The authority's answer, as bundles hold it. What it says is verified with all else, before anything is pushed.
pub(super) async fn stamp(http: &Http, service: &Service, signature: &[u8]) -> Result<Vec<u8>, ServiceError> {
    let url = &service.url;
    let request = timestamp_request(signature)
        .map_err(|error| Ask::get(NAME, url).fails(ServiceFault::Answer(error.to_string())))?;
    let mut ask = Ask::post(NAME, url, "application/timestamp-query", request);
    ask.tries = if service.is_down() { 1 } else { TRIES };
    let mut answer = http.ask(&ask).await?;
    if answer.body.first() != Some(&0x30) {
        return Err(ask.fails(ServiceFault::Answer("expected a TimeStampResp in DER".to_owned())));
    }
    Ok(std::mem::take(&mut *answer.body))
}
