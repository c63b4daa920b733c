//! The description of the API by OpenAPI 3.1, made from the handlers. Checked in as `openapi.json`.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ArrayBuilder, Components, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Ref, RefOr,
    ResponseBuilder, Schema, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{MEDIA_TYPE, Problem};

const DESCRIPTION: &str = "\
Keeps people and groups of collaborations, and provisions them to targets through plugins.

Every request below `/api/v1` carries an API key: `Authorization: Bearer pvk_...`. A key is for the platform or for one
collaboration, and full or read-only. As long as there is no key and the host listens on a loopback address, requests
from this machine need none.

Errors are problems by RFC 9457. Lists are pages: `next` of a page is `after` (`before` for invocations, jobs, histories
and notifications) of the next.
Unknown query parameters and unknown members of a body are refused.

Writes answer when all targets have ended; with `Prefer: respond-async` (RFC 7240) at once, with status 202.";

const TAGS: [(&str, &str); 20] = [
    ("collaborations", "tenants: everything else belongs to one"),
    ("cous", "units of a collaboration, as a tree"),
    ("org-identity-sources", "where org identities come from"),
    ("terms-and-conditions", "what people agree to"),
    ("people", "people with names, addresses, identifiers, roles and the rest"),
    ("groups", "groups of people"),
    ("members", "who is in a group"),
    ("email-lists", "email lists and the groups they serve"),
    ("services", "services of a collaboration"),
    ("departments", "departments of a collaboration"),
    ("ingest", "records from other registries"),
    ("changes", "the history of writes"),
    ("plugins", "the catalog of provisioners and data filters"),
    ("servers", "connections to counterparts"),
    ("filters", "configured data filters"),
    ("targets", "configured provisioners"),
    ("invocations", "runs of plugins"),
    ("notifications", "what administrators are to know, and how they are told"),
    ("jobs", "queued provisionings, and those of all subjects"),
    ("health", "for load balancers and monitors"),
];

/// What the routes are added to.
pub(super) fn base() -> OpenApi {
    let key = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("pvk_<id>_<random>")
            .description(Some("made with `provender key create`"))
            .build(),
    );
    let components = ComponentsBuilder::new()
        .security_scheme("api_key", key)
        .schema(Problem::name(), Problem::schema())
        .build();
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Provender")
                .version("1")
                .description(Some(DESCRIPTION))
                .license(Some(license))
                .build(),
        )
        .components(Some(components))
        .security(Some([SecurityRequirement::new("api_key", Vec::<String>::new())]))
        .tags(Some(
            TAGS.map(|(name, description)| {
                TagBuilder::new().name(name).description(Some(description)).build()
            }),
        ))
        .build()
}

/// Adds what every operation has: the answer to whatever goes wrong, and words for what goes well.
pub(super) fn complete(mut api: OpenApi) -> OpenApi {
    let problem: Response = ResponseBuilder::new()
        .description("a problem (RFC 9457)")
        .content(
            MEDIA_TYPE,
            ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build(),
        )
        .build();
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                response.description = "what was asked for".to_owned();
            }
        }
        operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
    }
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    if let Some(components) = &mut api.components {
        components.schemas.extend(schemas);
        refer_to_arguments(components);
    }
    api
}

/// The schema of a generic type repeats that of its argument; with a reference, generated clients have one type less.
fn refer_to_arguments(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        let (Some((generic, argument)), RefOr::T(Schema::Object(object))) = (name.split_once('_'), schema)
        else {
            continue;
        };
        let argument = Ref::from_schema_name(argument);
        let (property, schema): (_, RefOr<Schema>) = match generic {
            "Page" => ("items", ArrayBuilder::new().items(argument).into()),
            "WriteAnswer" => {
                let null = ObjectBuilder::new().schema_type(Type::Null);
                let described = Some("As stored; null when it was removed.");
                ("record", OneOfBuilder::new().item(argument).item(null).description(described).into())
            }
            _ => continue,
        };
        object.properties.insert(property.to_owned(), schema);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    #[test]
    fn the_description_that_is_checked_in_is_that_of_the_handlers() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let made = serde_json::to_value(crate::api::openapi()).unwrap();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&file, format!("{made:#}\n")).unwrap();
        }
        let kept = std::fs::read(&file).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        assert!(
            kept == Some(made),
            "host/openapi.json is not what the handlers say; look at the difference and update it with \
             `UPDATE_OPENAPI=1 cargo test -p provender --lib openapi`"
        );
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_operation_has_a_name_of_its_own() {
        let api = serde_json::to_value(crate::api::openapi()).unwrap();
        let mut references = Vec::new();
        collect(&api, "$ref", &mut references);
        assert!(references.len() > 100, "{}", references.len());
        for reference in &references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(api.pointer(pointer).is_some(), "{reference}");
        }
        let mut names = Vec::new();
        collect(&api["paths"], "operationId", &mut names);
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_parameter_of_a_path_is_described() {
        let api = serde_json::to_value(crate::api::openapi()).unwrap();
        for (path, item) in api["paths"].as_object().unwrap() {
            let in_template: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            for operation in item.as_object().unwrap().values() {
                let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
                let described: Vec<&str> = parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| parameter["name"].as_str().unwrap())
                    .collect();
                assert_eq!(described, in_template, "{path}: {}", operation["operationId"]);
            }
        }
    }

    fn collect(value: &Value, member: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get(member).and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| collect(value, member, found));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, member, found)),
            _ => {}
        }
    }
}
