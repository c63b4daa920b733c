//! The OpenAPI schemas of [`ServerConfiguration`] and [`ServerInput`].
//!
//! Written by hand, since the derived ones contradict themselves: they add `kind` beside an object that allows no other
//! properties, and give both types one name.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::secrets::{SecretInput, SecretPlace};
use super::{
    FilesConfiguration, HttpConfiguration, LdapConfiguration, MessagingConfiguration, ServerConfiguration,
    ServerInput, SqlConfiguration,
};

impl PartialSchema for ServerConfiguration {
    fn schema() -> RefOr<Schema> {
        schema::<SecretPlace>("A server as stored and shown, without secrets.")
    }
}

impl ToSchema for ServerConfiguration {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ServerConfiguration")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        parts::<SecretPlace>(schemas);
    }
}

impl PartialSchema for ServerInput {
    fn schema() -> RefOr<Schema> {
        schema::<SecretInput>("A server as written, secrets included.")
    }
}

impl ToSchema for ServerInput {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ServerConfigurationInput")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        parts::<SecretInput>(schemas);
    }
}

/// What the schema of a server refers to.
fn parts<S: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    HttpConfiguration::<S>::schemas(schemas);
    LdapConfiguration::<S>::schemas(schemas);
    MessagingConfiguration::<S>::schemas(schemas);
    SqlConfiguration::<S>::schemas(schemas);
}

fn schema<S: ToSchema>(description: &str) -> RefOr<Schema> {
    OneOfBuilder::new()
        .item(tagged("http", HttpConfiguration::<S>::schema()))
        .item(tagged("files", FilesConfiguration::schema()))
        .item(tagged("ldap", LdapConfiguration::<S>::schema()))
        .item(tagged("messaging", MessagingConfiguration::<S>::schema()))
        .item(tagged("sql", SqlConfiguration::<S>::schema()))
        .description(Some(description))
        .into()
}

fn tagged(kind: &str, schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind]));
            object.properties.insert("kind".to_owned(), word.into());
            object.required.push("kind".to_owned());
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}
