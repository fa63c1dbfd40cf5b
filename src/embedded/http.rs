//! The HTTP layer of the API server: routes requests, and encodes responses.
//!
//! Verbatim: Kubernetes API server

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, WARNING};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use hyper::upgrade::OnUpgrade;
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::EmbeddedCluster;
use super::api::{
    ApiServer, DeleteOptions, ListOptions, ListResult, ObjectPath, RequestedForm, Watch, WriteOptions,
};
use super::limitation::missing_effect;
use super::network::{UnreachableService, send_request};
use super::network_policy::NetworkSource;
use super::patch::{ApiPatchType, apply_patch};
use super::protobuf;
use super::selector::LabelSelector;
use super::status::ApiStatus;

/// The size limit of request bodies, as in a real API server.
const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;
const JSON_CONTENT_TYPE: &str = "application/json";

/// The body of every response.
pub type ApiBody = BoxBody<Bytes, Infallible>;

/// A parsed request.
struct ApiCall {
    method: Method,
    path: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

/// A response before it is encoded.
enum ApiResponse {
    Object(StatusCode, Json),
    List(ListResult),
    Text(String),
    Watch(Box<Watch>),
    Proxied(Response<Bytes>),
    Switched(Response<ApiBody>),
}

impl ApiCall {
    fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn header(&self, name: http::header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Parses the body; an empty body becomes null.
    fn parse_body(&self) -> Result<Json, ApiStatus> {
        if self.body.is_empty() {
            return Ok(Json::Null);
        }
        let content_type = self.header(CONTENT_TYPE);
        if content_type.contains("protobuf") {
            let supported = ["application/json", "application/yaml"];
            return protobuf::decode(&self.body).ok_or_else(|| ApiStatus::unsupported_media_type(&supported));
        }
        if content_type.contains("yaml") {
            return serde_yaml::from_slice(&self.body)
                .map_err(|error| ApiStatus::bad_request(error.to_string()));
        }
        serde_json::from_slice(&self.body).map_err(|error| ApiStatus::bad_request(error.to_string()))
    }

    fn write_options(&self, subresource: &str) -> WriteOptions {
        WriteOptions { dry_run: !self.query("dryRun").is_empty(), status: subresource == "status" }
    }

    fn parse_selector(&self, path: &ObjectPath) -> Result<LabelSelector, ApiStatus> {
        let selector = LabelSelector::parse(self.query("labelSelector"), self.query("fieldSelector"))?;
        selector.check_fields(&path.kind.name)?;
        Ok(selector)
    }

    fn list_options(&self, path: &ObjectPath) -> Result<ListOptions, ApiStatus> {
        let limit = self.query("limit");
        let limit = if limit.is_empty() { Ok(0) } else { limit.parse() };
        Ok(ListOptions {
            selector: self.parse_selector(path)?,
            limit: limit.map_err(|_| ApiStatus::bad_request("invalid limit: expected an integer"))?,
            continue_token: self.query("continue").to_owned(),
        })
    }

    /// Reads the options from the body, or from the query if there is no body.
    fn delete_options(&self) -> Result<DeleteOptions, ApiStatus> {
        if !self.body.is_empty() {
            return DeleteOptions::parse(&self.parse_body()?);
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
        DeleteOptions::parse(&options)
    }
}

impl EmbeddedCluster {
    /// Handles a request.
    pub async fn handle_request<B>(self: Arc<Self>, request: Request<B>) -> Response<ApiBody>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut head, body) = request.into_parts();
        let upgrade = head.extensions.remove::<OnUpgrade>();
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let shape = RequestedForm::from_accept(
            head.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default(),
        );
        let answer = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Err(error) if error.is::<LengthLimitError>() => Err(ApiStatus::too_large(MAX_BODY_BYTES)),
            Err(error) => Err(ApiStatus::bad_request(error.to_string())),
            Ok(body) => {
                let query = head.uri.query().unwrap_or_default();
                let call = ApiCall {
                    method: head.method,
                    path: head
                        .uri
                        .path()
                        .split('/')
                        .filter(|segment| !segment.is_empty())
                        .map(decoded)
                        .collect(),
                    query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
                    headers: head.headers,
                    body: body.to_bytes(),
                };
                self.dispatch(&call, upgrade).await
            }
        };
        match answer {
            Ok(ApiResponse::Object(code, object)) => {
                let warning = if code == StatusCode::CREATED { missing_effect(&object) } else { None };
                let mut response = json_response(code, &shape.format_object(object, self.api.now()));
                if let Some(warning) =
                    warning.and_then(|text| HeaderValue::from_str(&format!("299 - \"{text}\"")).ok())
                {
                    response.headers_mut().insert(WARNING, warning);
                }
                response
            }
            Ok(ApiResponse::List(list)) => {
                build_response(StatusCode::OK, JSON_CONTENT_TYPE, list.format(shape, self.api.now()).into())
            }
            Ok(ApiResponse::Text(text)) => build_response(StatusCode::OK, "text/plain", text.into()),
            Ok(ApiResponse::Watch(watch)) => watch_response(*watch, shape),
            Ok(ApiResponse::Proxied(passed)) => passed.map(|bytes| Full::new(bytes).boxed()),
            Ok(ApiResponse::Switched(response)) => response,
            Err(status) => error_response(&status),
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        call: &ApiCall,
        upgrade: Option<OnUpgrade>,
    ) -> Result<ApiResponse, ApiStatus> {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["version"] => return Ok(ApiResponse::Object(StatusCode::OK, version_document())),
            ["healthz" | "readyz" | "livez", ..] => return Ok(ApiResponse::Text("ok".to_owned())),
            // an empty schema: clients fall back to their built-in types
            ["openapi", "v2"] => return Ok(ApiResponse::Proxied(openapi_response(call.header(ACCEPT)))),
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => {
                let mut review = call.parse_body()?;
                review["status"] =
                    json!({"allowed": true, "reason": "the embedded cluster allows all requests"});
                return Ok(ApiResponse::Object(StatusCode::CREATED, review));
            }
            _ => {}
        }
        if let Some(document) = self.api.lock().resources.discovery_document(&path.join("/")) {
            return Ok(ApiResponse::Object(StatusCode::OK, document));
        }
        let (path, subresource) = self.api.parse_path(&path)?;
        match subresource.as_slice() {
            [] => handle_object(&self.api, call, path),
            ["status"] if path.kind.status => handle_object(&self.api, call, path),
            ["scale"] if path.kind.scale => handle_scale(&self.api, call, &path),
            ["eviction"] if path.kind.name == "Pod" && call.method == Method::POST => {
                let evicted = self.api.evict(&path, &call.parse_body()?)?;
                Ok(ApiResponse::Object(StatusCode::CREATED, evicted))
            }
            ["log"] if path.kind.name == "Pod" => {
                let pod = self.api.get(&path)?;
                Ok(ApiResponse::Text(self.logs.read(
                    &pod,
                    |parameter| call.query(parameter),
                    self.api.now(),
                )?))
            }
            ["portforward"] if path.kind.name == "Pod" => {
                let pod = self.api.get(&path)?;
                let ports = call.query("ports");
                self.forward_ports(&pod, &path.key(), ports, &call.headers, upgrade)
                    .map(ApiResponse::Switched)
            }
            ["exec" | "attach"] if path.kind.name == "Pod" => {
                Err(ApiStatus::not_implemented("exec and attach"))
            }
            ["proxy", rest @ ..] if path.kind.name == "Service" => {
                self.proxy_to_service(call, &path, rest).await
            }
            _ => Err(ApiStatus::no_such_resource()),
        }
    }

    /// Forwards a request to a ready Pod of a Service.
    async fn proxy_to_service(
        &self,
        call: &ApiCall,
        service_path: &ObjectPath,
        rest: &[&str],
    ) -> Result<ApiResponse, ApiStatus> {
        let parts: Vec<&str> = service_path.name.split(':').collect();
        let (name, port) = match parts.as_slice() {
            [name] => (*name, ""),
            [name, port] | [_, name, port] => (*name, *port),
            _ => {
                return Err(ApiStatus::bad_request(format!(
                    "invalid service request \"{}\"",
                    service_path.name
                )));
            }
        };
        let service = ObjectPath { name: name.to_owned(), ..service_path.clone() };
        self.api.get(&service)?;
        let mut path = format!("/{}", rest.join("/"));
        if !call.query.is_empty() {
            path.push('?');
            path += &url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
        }
        let to = self.next_endpoint(&service_path.namespace, name, port).map_err(|error| {
            ApiStatus::unavailable(match error {
                UnreachableService::NoEndpoints => format!("no endpoints available for service \"{name}\""),
                UnreachableService::NoPort => {
                    format!("no service port \"{port}\" found for service \"{name}\"")
                }
            })
        })?;
        let address = to.endpoint.address;
        let request = Request::builder().method(&call.method).uri(&path).body(call.body.clone());
        let exchange = async {
            let request = request?;
            self.wait_until_admitted(&NetworkSource::Outside, &to).await?;
            send_request(to.endpoint, request).await
        };
        let response = exchange.await;
        response.map(ApiResponse::Proxied).map_err(|error| {
            let note = self.simulated_image_note(&service_path.namespace, address).unwrap_or_default();
            ApiStatus::unavailable(format!("error trying to reach service: {error}{note}"))
        })
    }
}

/// Handles requests for objects and for their `/status`.
fn handle_object(api: &Arc<ApiServer>, call: &ApiCall, path: ObjectPath) -> Result<ApiResponse, ApiStatus> {
    let sub =
        call.path.last().filter(|last| *last == "status" && path.name != **last).map_or("", |_| "status");
    let writing = call.write_options(sub);
    let has_name = !path.name.is_empty();
    let object = match (&call.method, has_name) {
        (&Method::GET, _) if !call.query("watch").is_empty() && call.query("watch") != "false" => {
            let selector = call.parse_selector(&path)?;
            let timeout = call.query("timeoutSeconds").parse().ok().map(Duration::from_secs);
            let bookmarks = call.query("allowWatchBookmarks") == "true";
            let watch = api.watch(path, selector, call.query("resourceVersion"), bookmarks, timeout)?;
            return Ok(ApiResponse::Watch(Box::new(watch)));
        }
        (&Method::GET, true) => api.get(&path)?,
        (&Method::GET, false) => return Ok(ApiResponse::List(api.list(&path, &call.list_options(&path)?)?)),
        (&Method::POST, false) => {
            let created = api.create(&path, call.parse_body()?, &writing)?;
            return Ok(ApiResponse::Object(StatusCode::CREATED, created));
        }
        (&Method::PUT, true) => api.update(&path, call.parse_body()?, &writing)?,
        (&Method::PATCH, true) => {
            let format = ApiPatchType::from_content_type(call.header(CONTENT_TYPE))?;
            let is_new = format == ApiPatchType::Apply && api.get(&path).is_err();
            let patched = api.patch(&path, format, &call.parse_body()?, &writing)?;
            let code = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            return Ok(ApiResponse::Object(code, patched));
        }
        (&Method::DELETE, true) => api.delete(&path, &call.delete_options()?)?,
        // like a real API server: no collection delete across all namespaces
        (&Method::DELETE, false) if path.kind.namespaced && path.namespace.is_empty() => {
            return Err(ApiStatus::method_not_allowed());
        }
        (&Method::DELETE, false) => {
            return Ok(ApiResponse::List(api.delete_collection(
                &path,
                &call.list_options(&path)?,
                &call.delete_options()?,
            )?));
        }
        _ => return Err(ApiStatus::method_not_allowed()),
    };
    Ok(ApiResponse::Object(StatusCode::OK, object))
}

fn handle_scale(api: &Arc<ApiServer>, call: &ApiCall, path: &ObjectPath) -> Result<ApiResponse, ApiStatus> {
    let dry_run = call.write_options("").dry_run;
    let scale = match call.method {
        Method::GET => api.get_scale(path)?,
        Method::PUT => {
            let scale = call.parse_body()?;
            api.update_scale(path, |_| Ok(scale), dry_run)?
        }
        Method::PATCH => {
            let (format, patch) =
                (ApiPatchType::from_content_type(call.header(CONTENT_TYPE))?, call.parse_body()?);
            api.update_scale(path, |scale| apply_patch(&path.kind, format, scale, &patch), dry_run)?
        }
        _ => return Err(ApiStatus::method_not_allowed()),
    };
    Ok(ApiResponse::Object(StatusCode::OK, scale))
}

impl ApiServer {
    /// Splits a URL path into the object path and the subresource.
    fn parse_path<'a>(&self, path: &'a [&'a str]) -> Result<(ObjectPath, Vec<&'a str>), ApiStatus> {
        let (group, version, rest) = match path {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(ApiStatus::path_not_found()),
        };
        let (namespace, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (*namespace, *plural, rest)
            }
            [plural, rest @ ..] => ("", *plural, rest),
            [] => return Err(ApiStatus::path_not_found()),
        };
        let kind = {
            let state = self.lock();
            let missing = || {
                if state.resources.is_built_in(group, version) {
                    ApiStatus::no_such_resource()
                } else {
                    ApiStatus::path_not_found()
                }
            };
            state.resources.find(group, version, plural).ok_or_else(missing)?
        };
        if kind.namespaced == namespace.is_empty() && !(kind.namespaced && rest.is_empty()) {
            return Err(ApiStatus::no_such_resource());
        }
        let (name, behind) = rest.split_first().map_or(("", [].as_slice()), |(name, behind)| (*name, behind));
        let path = ObjectPath {
            kind,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Ok((path, behind.to_vec()))
    }
}

/// Returns the Kubernetes version that this API server follows.
fn version_document() -> Json {
    json!({
        "major": "1", "minor": "33", "gitVersion": concat!("v1.33.0+embedded.", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "", "goVersion": "", "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

fn openapi_response(accept: &str) -> Response<Bytes> {
    // an `OpenAPI` 2.0 document in protobuf that has only a title
    const PROTOBUF: &[u8] = b"\x0a\x032.0\x12\x0c\x0a\x08embedded\x12\x00";
    if accept.contains("protobuf") {
        let mut response = Response::new(Bytes::from_static(PROTOBUF));
        let content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        return response;
    }
    let document = json!({"swagger": "2.0", "info": {"title": "embedded", "version": ""}, "paths": {}, "definitions": {}});
    Response::new(document.to_string().into())
}

/// Builds the response for an error.
pub(super) fn error_response(status: &ApiStatus) -> Response<ApiBody> {
    if status.reason.is_empty() {
        // a path that no API server serves gets a plain text
        return build_response(
            StatusCode::NOT_FOUND,
            "text/plain",
            Bytes::from_static(b"404 page not found\n"),
        );
    }
    json_response(StatusCode::from_u16(status.code).unwrap_or_default(), &status.to_json())
}

fn json_response(code: StatusCode, document: &Json) -> Response<ApiBody> {
    build_response(code, JSON_CONTENT_TYPE, document.to_string().into())
}

fn build_response(code: StatusCode, content_type: &'static str, body: Bytes) -> Response<ApiBody> {
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Streams a watch, one JSON document per line.
fn watch_response(watch: Watch, shape: RequestedForm) -> Response<ApiBody> {
    let lines = futures_util::stream::unfold(watch, move |mut watch| async move {
        let line = watch.next(shape).await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), watch))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON_CONTENT_TYPE));
    response
}
