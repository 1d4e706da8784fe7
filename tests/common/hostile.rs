//! Ways for the embedded registry to misbehave. Each takes a part of the path that it applies to; `""` is everywhere.

use boltseal::registry::embedded::{Alter, Answer, AnswerBody, Exchange, Hook};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Frame;
use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

/// A whole body.
pub fn body(content: impl Into<Bytes>) -> AnswerBody {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

/// Each of these in turn, the first that answers wins.
pub fn any(hooks: Vec<Hook>) -> Hook {
    Arc::new(move |exchange| hooks.iter().find_map(|hook| hook(exchange)))
}

/// The first `times` requests of a kind get this status, with the specification's error and perhaps `Retry-After`.
pub fn refused(part: &str, status: u16, times: usize, retry_after: Option<&'static str>) -> Hook {
    instead(part, move |exchange| {
        let error = r#"{"errors":[{"code":"DENIED","message":"hostile"}]}"#;
        let mut answer = Response::new(body(error));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(wait) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(wait));
        }
        (exchange.earlier < times).then_some(answer)
    })
}

/// 401 with this challenge, each time.
pub fn challenged(part: &str, challenge: &str) -> Hook {
    let (refused, challenge) = (refused(part, 401, usize::MAX, None), HeaderValue::from_str(challenge).unwrap());
    Arc::new(move |exchange| {
        let mut answer = refused(exchange)?;
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.clone());
        Some(answer)
    })
}

/// 200 with other content than the registry holds.
pub fn swapped(part: &str, content_type: &'static str, content: impl Into<Bytes>) -> Hook {
    let content = content.into();
    instead(part, move |_| {
        let mut answer = Response::new(body(content.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Some(answer)
    })
}

/// 200 with a page of HTML, as a login portal answers.
pub fn html(part: &str) -> Hook {
    swapped(part, "text/html", "<!doctype html><title>Log in</title>")
}

/// 200 without a length and without an end.
pub fn endless(part: &str) -> Hook {
    instead(part, |_| {
        let chunk = Bytes::from(vec![b' '; 64 << 10]);
        let chunks = stream::repeat_with(move || Ok::<_, io::Error>(Frame::data(chunk.clone())));
        Some(Response::new(streamed(chunks)))
    })
}

/// Never an answer's end: headers, one byte, silence.
pub fn silent(part: &str) -> Alter {
    altered(part, |answer| {
        answer.map(|body| {
            let first = BodyStream::new(body).take(1).map(|frame| cut(frame, 1));
            streamed(first.chain(stream::pending()))
        })
    })
}

/// A temporary redirect.
pub fn redirected(part: &str, to: &str) -> Hook {
    let to = HeaderValue::from_str(to).unwrap();
    instead(part, move |_| {
        let mut answer = Response::new(body(""));
        *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        answer.headers_mut().insert(header::LOCATION, to.clone());
        Some(answer)
    })
}

/// The right length in the header, but the connection breaks after half of the first piece.
pub fn truncated(part: &str) -> Alter {
    altered(part, |answer| {
        answer.map(|body| {
            let half = BodyStream::new(body).take(1).map(|frame| {
                let half = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, |data| data.len() / 2);
                cut(frame, half)
            });
            // Later, or hyper breaks off before it has sent the headers.
            let broken = stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(io::Error::other("hostile"))
            });
            streamed(half.chain(broken))
        })
    })
}

/// The right content, byte by byte.
pub fn slow(part: &str, pause: Duration) -> Alter {
    altered(part, move |answer| {
        answer.map(|body| {
            let bytes = BodyStream::new(body).flat_map(|frame| {
                let data = frame.ok().and_then(|frame| frame.into_data().ok()).unwrap_or_default();
                stream::iter(data.into_iter().map(|byte| Ok::<_, io::Error>(Frame::data(Bytes::from(vec![byte])))))
            });
            let paced = bytes.then(move |byte| async move {
                tokio::time::sleep(pause).await;
                byte
            });
            streamed(paced)
        })
    })
}

/// The right content under a wrong `Docker-Content-Digest`.
pub fn wrong_digest_header(part: &str) -> Alter {
    altered(part, |mut answer| {
        let wrong = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        answer.headers_mut().insert("docker-content-digest", HeaderValue::from_static(wrong));
        answer
    })
}

/// A redirect to where the request just went, for ever.
pub fn redirect_loop(part: &str) -> Hook {
    instead(part, |exchange| redirected("", &exchange.path_and_query)(exchange))
}

/// 401 with a challenge for a token from `/token`; the token is given out, and never enough.
pub fn token_loop(part: &str) -> Hook {
    let token = swapped("/token", "application/json", r#"{"token":"hostile"}"#);
    let refused = instead(part, |exchange| {
        let host = exchange.headers.get(header::HOST)?.to_str().ok()?;
        challenged("", &format!("Bearer realm=\"http://{host}/token\",service=\"hostile\""))(exchange)
    });
    any(vec![token, refused])
}

/// HEAD is not allowed, as behind some proxies; clients have to use GET.
pub fn no_head(part: &str) -> Hook {
    instead(part, |exchange| {
        if exchange.method != Method::HEAD {
            return None;
        }
        let mut answer = Response::new(body(""));
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        Some(answer)
    })
}

/// A list of referrers that goes on, by its own word, where it began.
pub fn endless_pages(part: &str) -> Alter {
    let part = part.to_owned();
    Arc::new(move |exchange, mut answer| {
        if exchange.path().contains(&part) {
            let next = HeaderValue::from_str(&format!("<{}>; rel=\"next\"", exchange.path())).unwrap();
            answer.headers_mut().insert(header::LINK, next);
        }
        answer
    })
}

/// A list of referrers that goes on where nothing is.
pub fn lost_page(part: &str) -> Alter {
    altered(part, |mut answer| {
        answer.headers_mut().insert(header::LINK, HeaderValue::from_static("</v2/lost/page>; rel=\"next\""));
        answer
    })
}

/// The right content and a byte more, its length stated accordingly.
pub fn padded(part: &str) -> Alter {
    altered(part, |mut answer| {
        let length = answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length.unwrap_or(0_u64) + 1));
        answer.map(|body| {
            streamed(BodyStream::new(body).chain(stream::iter([Ok(Frame::data(Bytes::from_static(b" ")))])))
        })
    })
}

/// The right content called something else.
pub fn mistyped(part: &str, content_type: &'static str) -> Alter {
    altered(part, move |mut answer| {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        answer
    })
}

/// Content by the last part of its path (a tag, a digest), as if the registry held it.
pub fn held(content: BTreeMap<String, (String, Vec<u8>)>) -> Hook {
    Arc::new(move |exchange| {
        let path = exchange.path();
        let last = path.rsplit('/').next()?;
        // A list of referrers and the image itself have the same last part.
        let key = if path.contains("/referrers/") { format!("referrers/{last}") } else { last.to_owned() };
        let (content_type, bytes) = content.get(&key)?;
        let mut answer = Response::new(body(bytes.clone()));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        Some(answer)
    })
}

fn instead(part: &str, answer: impl Fn(&Exchange) -> Option<Answer> + Send + Sync + 'static) -> Hook {
    let part = part.to_owned();
    Arc::new(move |exchange| exchange.path().contains(&part).then(|| answer(exchange)).flatten())
}

fn altered(part: &str, alter: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> Alter {
    let part = part.to_owned();
    Arc::new(move |exchange, answer| if exchange.path().contains(&part) { alter(answer) } else { answer })
}

fn cut(frame: io::Result<Frame<Bytes>>, most: usize) -> io::Result<Frame<Bytes>> {
    let mut data = frame?.into_data().unwrap_or_default();
    data.truncate(most);
    Ok(Frame::data(data))
}

fn streamed(frames: impl Stream<Item = io::Result<Frame<Bytes>>> + Send + Sync + 'static) -> AnswerBody {
    BodyExt::boxed(StreamBody::new(frames))
}
