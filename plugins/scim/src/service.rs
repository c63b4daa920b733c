//! The server: requests, its errors as failures, look-ups that trust nothing.

use provender_sdk::http::{Client, Request, Response, path_segment};
use provender_sdk::{Context, Failure, state};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::attributes::{self, Change};
use crate::configuration::{Configuration, Existing, Update};

/// A resource as JSON.
pub(crate) type Resource = Map<String, Value>;

const CONTENT_TYPE: &str = "application/scim+json";
/// Key of the target's state: whether the server can PATCH.
const PATCHES: &str = "patches";
/// Resources asked for at once in a look-up.
const PAGE: usize = 100;
/// Pages that a look-up reads: a server that ignores the filter gives everybody.
const MAX_PAGES: usize = 100;
/// How often a change is tried that somebody else's change comes before.
const MAX_TRIES: usize = 3;

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH_OPERATIONS: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Where resources of a type are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Users,
    Groups,
}

/// A resource as it was read, with its version.
pub(crate) struct Read {
    pub(crate) id: String,
    pub(crate) resource: Resource,
    etag: Option<String>,
}

pub(crate) struct Service<'a> {
    client: Client,
    pub(crate) configuration: &'a Configuration,
    pub(crate) target: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    total_results: usize,
    #[serde(default, rename = "Resources")]
    resources: Vec<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    scim_type: Option<String>,
    detail: Option<String>,
}

impl Endpoint {
    fn path(self) -> &'static str {
        match self {
            Self::Users => "/Users",
            Self::Groups => "/Groups",
        }
    }

    /// The attribute that names a resource.
    fn name(self) -> &'static str {
        match self {
            Self::Users => "userName",
            Self::Groups => "displayName",
        }
    }

    fn of(self, id: &str) -> Result<String, Failure> {
        let segment = path_segment(id)
            .ok_or_else(|| Failure::permanent(format!("the server's id {id:?} cannot be part of a path")))?;
        Ok(format!("{}/{segment}", self.path()))
    }
}

impl<'a> Service<'a> {
    pub(crate) fn of(context: &'a Context<Configuration>) -> Result<Self, Failure> {
        let client = Client::for_slot(context, "service")?;
        let client = client.header("accept", "application/scim+json, application/json");
        Ok(Self { client, configuration: &context.configuration, target: &context.target })
    }

    pub(crate) fn check(&self) -> Result<Vec<String>, Failure> {
        let configuration: Value = self.get("/ServiceProviderConfig")?;
        let supported = |what: &str| configuration[what]["supported"].as_bool().unwrap_or_default();
        let says = |what: &str| if supported(what) { "supported" } else { "not supported" };
        let mut lines = vec![format!(
            "the server speaks SCIM 2.0: PATCH {}, filter {}, ETag {}",
            says("patch"),
            says("filter"),
            says("etag")
        )];
        if self.configuration.update == Update::Patch && !supported("patch") {
            let message = "the configuration asks for PATCH, which the server says it does not support";
            return Err(Failure::configuration(message).at("/update"));
        }
        if !supported("filter") {
            lines.push("without a filter, a look-up reads every user".to_owned());
        }
        let schemas: List = self.get("/Schemas")?;
        let has = |id: &str| schemas.resources.iter().any(|schema| schema.get("id") == Some(&json!(id)));
        let mut wanted = vec![USER];
        wanted.extend(self.configuration.groups.then_some(GROUP));
        wanted.extend(self.configuration.enterprise.then_some(attributes::ENTERPRISE));
        for missing in wanted.into_iter().filter(|id| !has(id)) {
            lines.push(format!("the server does not name the schema {missing}"));
        }
        Ok(lines)
    }

    /// Whether resources are changed by PATCH, kept for the calls to come.
    pub(crate) fn learn_whether_it_patches(&self) -> Result<bool, Failure> {
        let patches = match self.configuration.update {
            Update::Put => false,
            Update::Patch => true,
            Update::Auto => {
                let configuration: Value = self.get("/ServiceProviderConfig")?;
                configuration["patch"]["supported"].as_bool().unwrap_or_default()
            }
        };
        state::of_target().set_json(PATCHES, &patches)?;
        Ok(patches)
    }

    pub(crate) fn patches(&self) -> Result<bool, Failure> {
        match (self.configuration.update, state::of_target().get_json(PATCHES)?) {
            (Update::Put, _) => Ok(false),
            (Update::Patch, _) => Ok(true),
            (Update::Auto, Some(patches)) => Ok(patches),
            (Update::Auto, None) => self.learn_whether_it_patches(),
        }
    }

    fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        good(self.client.get(path).send()?)?.json()
    }

    /// A resource by the identifier that the server gave.
    pub(crate) fn read(&self, endpoint: Endpoint, id: &str) -> Result<Option<Read>, Failure> {
        let response = self.client.get(&endpoint.of(id)?).send()?;
        if matches!(response.status(), 404 | 410) {
            return Ok(None);
        }
        let response = good(response)?;
        let resource: Resource = response.json()?;
        let version = || Some(resource.get("meta")?.get("version")?.as_str()?.to_owned());
        let etag = response.header("etag").map(str::to_owned).or_else(version);
        Ok(Some(Read { id: id.to_owned(), resource, etag }))
    }

    /// The resource of a subject: by the stored identifier, else by `externalId`, else by name where it may be adopted.
    pub(crate) fn find(
        &self,
        endpoint: Endpoint,
        known: Option<&str>,
        (external_id, name): (&str, &str),
    ) -> Result<Option<Read>, Failure> {
        if let Some(id) = known
            && let Some(read) = self.read(endpoint, id)?
        {
            return Ok(Some(read));
        }
        if let Some(id) = self.id_by_external_id(endpoint, external_id)? {
            return self.read(endpoint, &id);
        }
        let Some(found) = self.look_up(endpoint, endpoint.name(), name)? else { return Ok(None) };
        let other = found.get("externalId").and_then(Value::as_str).filter(|other| !other.is_empty());
        let id = id_of(&found).unwrap_or_default();
        if let Some(other) = other {
            return Err(Failure::conflict(format!(
                "{} {name:?} belongs to somebody else: its externalId is {other:?}, not {external_id:?}",
                endpoint.name()
            )));
        }
        match self.configuration.existing {
            Existing::Adopt => self.read(endpoint, &id),
            Existing::Conflict => Err(Failure::conflict(format!(
                "{} {name:?} is there already, with id {id:?} and no externalId; configure `existing` as `adopt` to take it over",
                endpoint.name()
            ))),
        }
    }

    /// The one resource whose attribute has this value. What a server gives is compared, since some ignore filters.
    pub(crate) fn look_up(
        &self,
        endpoint: Endpoint,
        attribute: &str,
        value: &str,
    ) -> Result<Option<Resource>, Failure> {
        let mut start = 1;
        let mut found: Option<Resource> = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .client
                .get(endpoint.path())
                .query("filter", &filter(attribute, value))
                .query("startIndex", &start.to_string())
                .query("count", &PAGE.to_string());
            let page: List = good(request.send()?)?.json()?;
            let count = page.resources.len();
            for resource in page.resources.into_iter().filter(|found| is(found, attribute, value)) {
                if found.as_ref().is_some_and(|found| id_of(found) != id_of(&resource)) {
                    let message =
                        format!("the server has more than one resource whose {attribute} is {value:?}");
                    return Err(Failure::conflict(message));
                }
                found = Some(resource);
            }
            start += count;
            if count == 0 || start > page.total_results {
                return Ok(found);
            }
        }
        let message = format!(
            "a look-up by {attribute} gives more than {} resources: the server seems to ignore filters",
            MAX_PAGES * PAGE
        );
        Err(Failure::permanent(message))
    }

    /// The identifier that the server gave to the resource of a subject, if it has one.
    pub(crate) fn id_by_external_id(
        &self,
        endpoint: Endpoint,
        external_id: &str,
    ) -> Result<Option<String>, Failure> {
        Ok(self.look_up(endpoint, "externalId", external_id)?.as_ref().and_then(id_of))
    }

    /// Creates a resource, and gives its identifier.
    pub(crate) fn create(&self, endpoint: Endpoint, resource: &Resource) -> Result<String, Failure> {
        let response = good(scim(self.client.post(endpoint.path()), resource)?.send()?)?;
        if let Some(id) = response.json::<Resource>().ok().as_ref().and_then(id_of) {
            return Ok(id);
        }
        // Some servers answer with nothing but where it is, and some not even that.
        let location = response.header("location").and_then(|location| location.rsplit('/').next());
        if let Some(id) = location.filter(|id| !id.is_empty() && !id.contains('%')) {
            return Ok(id.to_owned());
        }
        let external_id = resource.get("externalId").and_then(Value::as_str).unwrap_or_default();
        self.id_by_external_id(endpoint, external_id)?
            .ok_or_else(|| Failure::transient("the server created a resource and does not tell its id"))
    }

    /// Makes a resource as it is to be; gives what was changed. What somebody else changed meanwhile is read again.
    pub(crate) fn bring_up_to_date(
        &self,
        endpoint: Endpoint,
        read: Read,
        wanted: &Resource,
    ) -> Result<Vec<Change>, Failure> {
        let mut read = read;
        for _ in 0..MAX_TRIES {
            let changes = attributes::changes(&read.resource, wanted);
            if changes.is_empty() {
                return Ok(changes);
            }
            let path = endpoint.of(&read.id)?;
            let request = if self.patches()? {
                let operations: Vec<Value> = changes.iter().map(Change::operation).collect();
                scim(self.client.patch(&path), &patch(&operations))?
            } else {
                scim(self.client.put(&path), &attributes::merged(&read.resource, wanted))?
            };
            let response = read.unless_changed(request).send()?;
            if response.status() != 412 {
                good(response)?;
                return Ok(changes);
            }
            let again = self.read(endpoint, &read.id)?;
            read =
                again.ok_or_else(|| Failure::transient("the resource was deleted while it was changed"))?;
        }
        Err(Failure::transient("somebody else changes the resource again and again at the server"))
    }

    /// Changes members of a group by operations of PATCH.
    pub(crate) fn patch_members(&self, id: &str, operations: &[Value]) -> Result<(), Failure> {
        good(scim(self.client.patch(&Endpoint::Groups.of(id)?), &patch(operations))?.send()?)?;
        Ok(())
    }

    /// Deletes a resource; gives whether it was there.
    pub(crate) fn delete(&self, endpoint: Endpoint, id: &str) -> Result<bool, Failure> {
        let response = self.client.delete(&endpoint.of(id)?).send()?;
        if matches!(response.status(), 404 | 410) {
            return Ok(false);
        }
        good(response)?;
        Ok(true)
    }
}

impl Read {
    fn unless_changed<'c>(&self, request: Request<'c>) -> Request<'c> {
        match &self.etag {
            Some(etag) => request.header("if-match", etag),
            None => request,
        }
    }
}

fn scim<'c, T: serde::Serialize + ?Sized>(request: Request<'c>, body: &T) -> Result<Request<'c>, Failure> {
    let json = serde_json::to_vec(body)
        .map_err(|error| Failure::permanent(format!("a resource cannot be written as JSON: {error}")))?;
    Ok(request.body(CONTENT_TYPE, json))
}

fn patch(operations: &[Value]) -> Value {
    json!({ "schemas": [PATCH_OPERATIONS], "Operations": operations })
}

fn id_of(resource: &Resource) -> Option<String> {
    resource.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Whether an attribute has a value: `userName` and `displayName` whatever their case (RFC 7643, section 4.1.1 and 8.7.1).
fn is(resource: &Resource, attribute: &str, value: &str) -> bool {
    let found = resource.get(attribute).and_then(Value::as_str);
    found.is_some_and(|found| match attribute {
        "externalId" => found == value,
        _ => found.to_lowercase() == value.to_lowercase(),
    })
}

/// A filter for one value, which is written as a JSON string (RFC 7644, section 3.4.2.2).
pub(crate) fn filter(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}

/// The response, or the failure that it means.
fn good(response: Response) -> Result<Response, Failure> {
    let problem: Problem = match response.status() {
        400 | 409 => serde_json::from_slice(response.body()).unwrap_or_default(),
        _ => return response.error_for_status(),
    };
    let status = response.status();
    let Err(failure) = response.error_for_status() else {
        return Err(Failure::permanent(format!("status {status}")));
    };
    let Some(kind) = problem.scim_type else { return Err(failure) };
    let detail = problem.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    Err(classified(status, &kind, format!("the server says {kind}{detail}")))
}

/// What helps, by the error type of RFC 7644, section 3.12.
fn classified(status: u16, kind: &str, message: String) -> Failure {
    match kind {
        "uniqueness" => Failure::conflict(message),
        "invalidValue" => Failure::invalid_data(message),
        "invalidFilter" | "invalidPath" | "invalidSyntax" | "invalidVers" | "mutability" | "noTarget"
        | "sensitive" | "tooMany" => Failure::permanent(message),
        _ if status == 409 => Failure::conflict(message),
        _ => Failure::invalid_data(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_stay_inside_of_a_filter() {
        assert_eq!(filter("userName", "anna"), r#"userName eq "anna""#);
        assert_eq!(
            filter("userName", r#"a" or userName pr or "\"#),
            r#"userName eq "a\" or userName pr or \"\\""#
        );
        assert_eq!(filter("externalId", "a\nß"), r#"externalId eq "a\nß""#);
    }

    #[test]
    fn an_error_has_the_class_of_what_helps() {
        let class = |status, kind| classified(status, kind, "x".to_owned());
        assert_eq!(class(409, "uniqueness"), Failure::conflict("x"));
        assert_eq!(class(400, "uniqueness"), Failure::conflict("x"));
        assert_eq!(class(400, "invalidValue"), Failure::invalid_data("x"));
        assert_eq!(class(400, "mutability"), Failure::permanent("x"));
        assert_eq!(class(400, "new"), Failure::invalid_data("x"));
    }

    #[test]
    fn a_name_is_compared_whatever_its_case_and_an_external_id_is_not() {
        let Value::Object(resource) = json!({"userName": "Anna", "externalId": "A"}) else { panic!() };
        assert!(is(&resource, "userName", "aNNA") && !is(&resource, "userName", "ann"));
        assert!(is(&resource, "externalId", "A") && !is(&resource, "externalId", "a"));
    }
}
