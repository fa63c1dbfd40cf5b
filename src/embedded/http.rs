//! The API server over HTTP: addresses to requests, answers to bytes. Floor 1.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::EmbeddedCluster;
use super::api::{ApiServer, Deletion, Listed, Listing, ObjectPath, Shape, Watch, Writing};
use super::network::RouteError;
use super::patch::{ApiPatchType, patched};
use super::protobuf;
use super::selector::LabelSelector;
use super::status::ApiStatus;

/// How large a body may be, as at a real API server.
const LIMIT: usize = 3 * 1024 * 1024;
/// What most answers are in.
const JSON: &str = "application/json";

/// What is sent back.
pub type ApiBody = BoxBody<Bytes, Infallible>;

/// A request, taken apart.
struct ApiCall {
    method: Method,
    path: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer before it is bytes.
enum ApiResponse {
    Object(StatusCode, Json),
    List(Listed),
    Text(String),
    Watch(Box<Watch>),
    Passed(Response<Bytes>),
}

impl ApiCall {
    fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn header(&self, name: http::header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as a document; nothing for an empty one.
    fn document(&self) -> Result<Json, ApiStatus> {
        if self.body.is_empty() {
            return Ok(Json::Null);
        }
        let content_type = self.header(CONTENT_TYPE);
        if content_type.contains("protobuf") {
            let taken = ["application/json", "application/yaml"];
            return protobuf::read(&self.body).ok_or_else(|| ApiStatus::unsupported_media_type(&taken));
        }
        if content_type.contains("yaml") {
            return serde_yaml::from_slice(&self.body)
                .map_err(|error| ApiStatus::bad_request(error.to_string()));
        }
        serde_json::from_slice(&self.body).map_err(|error| ApiStatus::bad_request(error.to_string()))
    }

    fn writing(&self, subresource: &str) -> Writing {
        Writing { dry_run: !self.query("dryRun").is_empty(), status: subresource == "status" }
    }

    fn selector(&self, at: &ObjectPath) -> Result<LabelSelector, ApiStatus> {
        let selector = LabelSelector::read(self.query("labelSelector"), self.query("fieldSelector"))?;
        selector.fits(&at.kind.name)?;
        Ok(selector)
    }

    fn listing(&self, at: &ObjectPath) -> Result<Listing, ApiStatus> {
        let limit = self.query("limit");
        let limit = if limit.is_empty() { Ok(0) } else { limit.parse() };
        Ok(Listing {
            selector: self.selector(at)?,
            limit: limit.map_err(|_| ApiStatus::bad_request("limit is no number"))?,
            from: self.query("continue").to_owned(),
        })
    }

    /// What the body says; without one, what the query does.
    fn deletion(&self) -> Result<Deletion, ApiStatus> {
        if !self.body.is_empty() {
            return Deletion::read(&self.document()?);
        }
        let mut options = json!({});
        if let Ok(seconds) = self.query("gracePeriodSeconds").parse::<i64>() {
            options["gracePeriodSeconds"] = json!(seconds);
        }
        match self.query("propagationPolicy") {
            "" => {}
            policy => options["propagationPolicy"] = json!(policy),
        }
        if !self.query("dryRun").is_empty() {
            options["dryRun"] = json!(["All"]);
        }
        Deletion::read(&options)
    }
}

impl EmbeddedCluster {
    /// Answers a request.
    pub async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Response<ApiBody>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let shape =
            Shape::of(head.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default());
        let answer = match Limited::new(body, LIMIT).collect().await {
            Err(error) if error.is::<LengthLimitError>() => Err(ApiStatus::too_large(LIMIT)),
            Err(error) => Err(ApiStatus::bad_request(error.to_string())),
            Ok(body) => {
                let query = head.uri.query().unwrap_or_default();
                let asked = ApiCall {
                    method: head.method,
                    path: head.uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
                    query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
                    headers: head.headers,
                    body: body.to_bytes(),
                };
                self.respond(&asked).await
            }
        };
        match answer {
            Ok(ApiResponse::Object(code, object)) => document(code, &shape.object(object, self.api.time())),
            Ok(ApiResponse::List(list)) => {
                response(StatusCode::OK, JSON, list.text(shape, self.api.time()).into())
            }
            Ok(ApiResponse::Text(text)) => response(StatusCode::OK, "text/plain", text.into()),
            Ok(ApiResponse::Watch(watch)) => stream(*watch, shape),
            Ok(ApiResponse::Passed(passed)) => passed.map(|bytes| Full::new(bytes).boxed()),
            Err(status) => refuse(&status),
        }
    }

    async fn respond(self: &Arc<Self>, asked: &ApiCall) -> Result<ApiResponse, ApiStatus> {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["version"] => return Ok(ApiResponse::Object(StatusCode::OK, version())),
            ["healthz" | "readyz" | "livez", ..] => return Ok(ApiResponse::Text("ok".to_owned())),
            // an empty document: clients then know the kinds by themselves
            ["openapi", "v2"] => return Ok(ApiResponse::Passed(openapi(asked.header(ACCEPT)))),
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => {
                let mut review = asked.document()?;
                review["status"] = json!({"allowed": true, "reason": "everything is allowed here"});
                return Ok(ApiResponse::Object(StatusCode::CREATED, review));
            }
            _ => {}
        }
        if let Some(found) = self.api.lock().kinds.discover(&path.join("/")) {
            return Ok(ApiResponse::Object(StatusCode::OK, found));
        }
        let (at, subresource) = self.api.address(&path)?;
        match subresource.as_slice() {
            [] => whole(&self.api, asked, at),
            ["status"] if at.kind.status => whole(&self.api, asked, at),
            ["scale"] if at.kind.scale => scale(&self.api, asked, &at),
            ["eviction"] if at.kind.name == "Pod" && asked.method == Method::POST => {
                let gone = self.api.evict(&at, &asked.document()?)?;
                Ok(ApiResponse::Object(StatusCode::CREATED, gone))
            }
            ["log"] if at.kind.name == "Pod" => {
                let pod = self.api.get(&at)?;
                Ok(ApiResponse::Text(self.logs.read(
                    &pod,
                    |parameter| asked.query(parameter),
                    self.api.time(),
                )?))
            }
            ["exec" | "attach" | "portforward"] if at.kind.name == "Pod" => {
                Err(ApiStatus::not_implemented("way into Pods (exec, attach, port-forward)"))
            }
            ["proxy", rest @ ..] if at.kind.name == "Service" => self.pass(asked, &at, rest).await,
            _ => Err(ApiStatus::no_such_resource()),
        }
    }

    /// Passes a request on to a ready Pod of a Service.
    async fn pass(&self, asked: &ApiCall, at: &ObjectPath, rest: &[&str]) -> Result<ApiResponse, ApiStatus> {
        let parts: Vec<&str> = at.name.split(':').collect();
        let (name, port) = match parts.as_slice() {
            [name] => (*name, ""),
            [name, port] | [_, name, port] => (*name, *port),
            _ => return Err(ApiStatus::bad_request(format!("invalid service request \"{}\"", at.name))),
        };
        let service = ObjectPath { name: name.to_owned(), ..at.clone() };
        self.api.get(&service)?;
        let mut path = format!("/{}", rest.join("/"));
        if !asked.query.is_empty() {
            path.push('?');
            path += &url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&asked.query).finish();
        }
        let endpoint = self.endpoint(&at.namespace, name, port).map_err(|unreached| {
            ApiStatus::unavailable(match unreached {
                RouteError::NoEndpoints => format!("no endpoints available for service \"{name}\""),
                RouteError::NoPort => format!("no service port \"{port}\" found for service \"{name}\""),
            })
        })?;
        let shown = endpoint.shown;
        let request = Request::builder().method(&asked.method).uri(&path).body(asked.body.clone());
        let passed = match request {
            Ok(request) => super::network::ask(endpoint, request).await,
            Err(error) => Err(error.to_string()),
        };
        passed.map(ApiResponse::Passed).map_err(|error| {
            let note = self.seeming(&at.namespace, shown).unwrap_or_default();
            ApiStatus::unavailable(format!("error trying to reach service: {error}{note}"))
        })
    }
}

/// What is asked of objects themselves, or of their status.
fn whole(api: &Arc<ApiServer>, asked: &ApiCall, at: ObjectPath) -> Result<ApiResponse, ApiStatus> {
    let sub =
        asked.path.last().filter(|last| *last == "status" && at.name != **last).map_or("", |_| "status");
    let writing = asked.writing(sub);
    let one = !at.name.is_empty();
    let object = match (&asked.method, one) {
        (&Method::GET, _) if !asked.query("watch").is_empty() && asked.query("watch") != "false" => {
            let selector = asked.selector(&at)?;
            let timeout = asked.query("timeoutSeconds").parse().ok().map(Duration::from_secs);
            let bookmarks = asked.query("allowWatchBookmarks") == "true";
            let watch = api.watch(at, selector, asked.query("resourceVersion"), bookmarks, timeout)?;
            return Ok(ApiResponse::Watch(Box::new(watch)));
        }
        (&Method::GET, true) => api.get(&at)?,
        (&Method::GET, false) => return Ok(ApiResponse::List(api.list(&at, &asked.listing(&at)?)?)),
        (&Method::POST, false) => {
            let created = api.create(&at, asked.document()?, &writing)?;
            return Ok(ApiResponse::Object(StatusCode::CREATED, created));
        }
        (&Method::PUT, true) => api.update(&at, asked.document()?, &writing)?,
        (&Method::PATCH, true) => {
            let format = ApiPatchType::of(asked.header(CONTENT_TYPE))?;
            let is_new = format == ApiPatchType::Apply && api.get(&at).is_err();
            let patched = api.patch(&at, format, &asked.document()?, &writing)?;
            let code = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            return Ok(ApiResponse::Object(code, patched));
        }
        (&Method::DELETE, true) => api.delete(&at, &asked.deletion()?)?,
        // as a real one: never those of all namespaces at once
        (&Method::DELETE, false) if at.kind.namespaced && at.namespace.is_empty() => {
            return Err(ApiStatus::method_not_allowed());
        }
        (&Method::DELETE, false) => {
            return Ok(ApiResponse::List(api.delete_all(&at, &asked.listing(&at)?, &asked.deletion()?)?));
        }
        _ => return Err(ApiStatus::method_not_allowed()),
    };
    Ok(ApiResponse::Object(StatusCode::OK, object))
}

fn scale(api: &Arc<ApiServer>, asked: &ApiCall, at: &ObjectPath) -> Result<ApiResponse, ApiStatus> {
    let dry_run = asked.writing("").dry_run;
    let scale = match asked.method {
        Method::GET => api.scale(at)?,
        Method::PUT => {
            let scale = asked.document()?;
            api.rescale(at, |_| Ok(scale), dry_run)?
        }
        Method::PATCH => {
            let (format, patch) = (ApiPatchType::of(asked.header(CONTENT_TYPE))?, asked.document()?);
            api.rescale(at, |scale| patched(&at.kind, format, scale, &patch), dry_run)?
        }
        _ => return Err(ApiStatus::method_not_allowed()),
    };
    Ok(ApiResponse::Object(StatusCode::OK, scale))
}

impl ApiServer {
    /// What an address is about, and what stands behind the name.
    fn address<'a>(&self, path: &'a [&'a str]) -> Result<(ObjectPath, Vec<&'a str>), ApiStatus> {
        let (group, version, rest) = match path {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(ApiStatus::no_such_page()),
        };
        let (namespace, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (*namespace, *plural, rest)
            }
            [plural, rest @ ..] => ("", *plural, rest),
            [] => return Err(ApiStatus::no_such_page()),
        };
        let kind = {
            let state = self.lock();
            let missing = || {
                if state.kinds.is_built_in(group, version) {
                    ApiStatus::no_such_resource()
                } else {
                    ApiStatus::no_such_page()
                }
            };
            state.kinds.find(group, version, plural).ok_or_else(missing)?
        };
        if kind.namespaced == namespace.is_empty() && !(kind.namespaced && rest.is_empty()) {
            return Err(ApiStatus::no_such_resource());
        }
        let (name, behind) = rest.split_first().map_or(("", [].as_slice()), |(name, behind)| (*name, behind));
        let at = ObjectPath {
            kind,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Ok((at, behind.to_vec()))
    }
}

/// The version of Kubernetes whose behaviour is followed.
fn version() -> Json {
    json!({
        "major": "1", "minor": "33", "gitVersion": concat!("v1.33.0+embedded.", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "", "goVersion": "", "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

fn openapi(accept: &str) -> Response<Bytes> {
    // in protobuf: a document of the version "2.0", with a title
    const PROTOBUF: &[u8] = b"\x0a\x032.0\x12\x0c\x0a\x08embedded\x12\x00";
    if accept.contains("protobuf") {
        let mut response = Response::new(Bytes::from_static(PROTOBUF));
        let content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        return response;
    }
    let document = json!({"swagger": "2.0", "info": {"title": "embedded", "version": ""}, "paths": {}, "definitions": {}});
    Response::new(document.to_string().into())
}

/// A refusal as bytes.
pub(super) fn refuse(status: &ApiStatus) -> Response<ApiBody> {
    if status.reason.is_empty() {
        // what is behind all servers has no words of its own
        return response(StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"404 page not found\n"));
    }
    document(StatusCode::from_u16(status.code).unwrap_or_default(), &status.to_json())
}

fn document(code: StatusCode, document: &Json) -> Response<ApiBody> {
    response(code, JSON, document.to_string().into())
}

fn response(code: StatusCode, content_type: &'static str, body: Bytes) -> Response<ApiBody> {
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// A watch: one document per line, as they come.
fn stream(watch: Watch, shape: Shape) -> Response<ApiBody> {
    let lines = futures_util::stream::unfold(watch, move |mut watch| async move {
        let line = watch.next(shape).await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), watch))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed());
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(JSON));
    response
}
