//! A token of the SPIFFE workload API (spiffe, `SPIFFE_Workload_API.md`, `FetchJWTSVID`): gRPC over a Unix socket. One
//! call with one text in it and one out is spoken here; everything below it is hyper.

use super::{KeylessError, ambient::provider};
use crate::limits::{HELPER_TIMEOUT, ID_TOKEN_BYTES};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::path::Path;
use zeroize::Zeroizing;

const NAME: &str = "the SPIFFE workload API";

pub(super) async fn fetch(socket: &Path, audience: &str) -> Result<Zeroizing<String>, KeylessError> {
    match tokio::time::timeout(HELPER_TIMEOUT, call(socket, audience)).await {
        Ok(done) => done.map_err(|why| provider(NAME, &why)),
        Err(_) => Err(provider(NAME, &format!("no answer within {HELPER_TIMEOUT:?}"))),
    }
}

#[cfg(not(unix))]
async fn call(_: &Path, _: &str) -> Result<Zeroizing<String>, String> {
    Err("its socket is read on Unix alone".to_owned())
}

#[cfg(unix)]
async fn call(socket: &Path, audience: &str) -> Result<Zeroizing<String>, String> {
    let stream = tokio::net::UnixStream::connect(socket).await;
    let stream = stream.map_err(|error| format!("{}: {error}", socket.display()))?;
    let broken = |error: hyper::Error| format!("{}: {error}", socket.display());
    let connection = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = connection.map_err(broken)?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://localhost/SpiffeWorkloadAPI/FetchJWTSVID")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header("workload.spiffe.io", "true")
        .body(Full::new(Bytes::from(frame(&field(1, audience.as_bytes())))))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let (parts, body) = response.into_parts();
    let most = usize::try_from(ID_TOKEN_BYTES).unwrap_or(usize::MAX);
    let collected = Limited::new(body, most).collect().await.map_err(|error| error.to_string())?;
    driver.abort();
    let status =
        collected.trailers().and_then(|trailers| trailers.get("grpc-status")).or(parts.headers.get("grpc-status"));
    if let Some(status) = status.filter(|status| *status != "0") {
        return Err(format!("it answered with gRPC status {}", status.to_str().unwrap_or("?")));
    }
    let bytes = Zeroizing::new(collected.to_bytes().to_vec());
    token(&bytes).ok_or_else(|| "its answer holds none".to_owned())
}

/// gRPC over HTTP/2, "Length-Prefixed-Message": not compressed, length, message.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A field of bytes (Protocol Buffers, "Encoding"): tag, length, content, for fewer than 128 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80).unwrap_or_default();
    [&[number << 3 | 2, length], content].concat()
}

/// `JWTSVIDResponse.svids[0].svid`.
fn token(answer: &[u8]) -> Option<Zeroizing<String>> {
    let message = answer.strip_prefix(&[0])?.get(4..)?;
    let svid = bytes_of(message, 1)?;
    let token = std::str::from_utf8(bytes_of(svid, 2)?).ok()?;
    Some(Zeroizing::new(token.to_owned()))
}

/// The first field of this number that holds bytes.
fn bytes_of(mut message: &[u8], number: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                varint(&mut message)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (content, rest) = message.split_at_checked(length)?;
                if tag >> 3 == number {
                    return Some(content);
                }
                message = rest;
            }
            _ => return None,
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use hyper::{Response, body::Incoming, service::service_fn};
    use std::convert::Infallible;

    fn long(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(content);
        out
    }

    #[tokio::test]
    async fn a_workload_s_token_is_fetched_over_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("api.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = |request: Request<Incoming>| async move {
                assert_eq!(request.uri().path(), "/SpiffeWorkloadAPI/FetchJWTSVID");
                assert_eq!(request.headers()["workload.spiffe.io"], "true");
                let asked = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(&asked[..], b"\0\0\0\0\x0a\x0a\x08sigstore");
                let svid = [long(1, b"spiffe://example.com/build"), long(2, &[b'x'; 700])].concat();
                let body = frame(&long(1, &svid));
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
            };
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
        assert_eq!(fetch(&socket, "sigstore").await.unwrap().len(), 700);
        served.abort();
        let missing = fetch(&dir.path().join("none.sock"), "sigstore").await.unwrap_err().to_string();
        assert!(
            missing.starts_with("the SPIFFE workload API gives no identity token: ") && missing.contains("none.sock"),
            "{missing}"
        );
    }

    #[test]
    fn junk_is_no_token() {
        for junk in [
            &b""[..],
            b"\0",
            b"\0\0\0\0\0",
            b"\0\0\0\0\x02\x0a\x7f",
            b"\0\0\0\0\x01\xff",
            b"\x01\0\0\0\0",
            &[0, 0, 0, 0, 9, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(token(junk).is_none(), "{junk:?}");
        }
    }
}
