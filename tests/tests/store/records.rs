//! Collaborations, records and memberships.

use provender::registry::record::{
    Collaboration, Cou, EmailList, Group, Membership, Record, RecordKind, Service, SubjectKey,
};
use provender::store::{Store, StoreError};
use sqlx::Executor;

use crate::database::{Database, corrupt, create_collaboration};
use crate::samples::{at, group, group_key, membership, person, person_key, put_memberships, put_records};

on_both_databases!(
    a_collaboration_is_read_as_it_was_written,
    a_record_of_each_kind_is_read_as_it_was_written,
    a_record_of_another_kind_than_its_key_is_refused,
    a_record_of_an_unknown_collaboration_is_refused,
    of_two_records_with_one_key_the_last_stays,
    a_deleted_record_keeps_its_document_and_its_last_memberships,
    a_deleted_record_that_is_stored_again_lives,
    deleting_a_group_removes_its_memberships,
    pages_of_records_follow_each_other_in_the_order_of_bytes,
    records_are_found_by_hundreds_of_ids,
    collaborations_do_not_see_each_other,
    a_document_of_a_mebibyte_in_any_script_is_read_as_it_was_written,
    a_corrupt_document_is_named_and_not_quoted,
    memberships_are_found_from_both_sides,
    memberships_of_hundreds_of_people_are_found_together,
    a_membership_replaces_that_of_the_same_person_in_the_same_group,
    members_of_a_group_come_in_pages,
);

async fn a_collaboration_is_read_as_it_was_written(database: Database) {
    let store = database.open().await;
    create_collaboration(&store, "zoo").await;
    create_collaboration(&store, "aqua").await;
    let unit = Cou { id: "u".to_owned(), name: "Unité".to_owned(), parent: None };
    let full = Collaboration {
        id: "aqua".to_owned(),
        name: "Aqua".to_owned(),
        description: Some("fish".to_owned()),
        cous: vec![unit],
        affiliations: Vec::new(),
        automatic_groups: true,
        status_recalculation: false,
        org_identity_sources: Vec::new(),
        terms_and_conditions: Vec::new(),
    };
    let written = full.clone();
    let read_inside = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_collaboration(&written).await?;
                transaction.collaboration("aqua").await
            })
        })
        .await
        .unwrap();
    assert_eq!(read_inside.as_ref(), Some(&full));
    assert_eq!(store.collaboration("aqua").await.unwrap(), Some(full));
    assert_eq!(store.collaboration("none").await.unwrap(), None);
    let ids: Vec<String> = store.collaborations().await.unwrap().into_iter().map(|co| co.id).collect();
    assert_eq!(ids, ["aqua", "zoo"]);
}

async fn a_record_of_each_kind_is_read_as_it_was_written(database: Database) {
    let store = database.open_with_collaboration().await;
    let list = EmailList { name: "all".to_owned(), ..EmailList::default() };
    let service = Service { name: "wiki".to_owned(), ..Service::default() };
    let key = |kind| SubjectKey { kind, id: "same".to_owned() };
    let records = vec![
        (key(RecordKind::Person), person("Ada")),
        (key(RecordKind::Group), group("staff")),
        (key(RecordKind::EmailList), Record::EmailList(Box::new(list))),
        (key(RecordKind::Service), Record::Service(Box::new(service))),
    ];
    put_records(&store, "co", records.clone()).await;
    for (key, record) in records {
        let stored = store.record("co", &key).await.unwrap().unwrap();
        assert_eq!((&stored.key, &stored.record, stored.deleted), (&key, &record, None));
        assert!(stored.last_memberships.is_empty());
        let inside = store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move { transaction.record("co", &key).await })
            })
            .await;
        assert_eq!(inside.unwrap(), Some(stored));
    }
    assert_eq!(store.record("co", &person_key("other")).await.unwrap(), None);
}

async fn a_record_of_another_kind_than_its_key_is_refused(database: Database) {
    let store = database.open_with_collaboration().await;
    let result = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(
                async move { transaction.put_records("co", &[(group_key("g"), person("Ada"))], at(0)).await },
            )
        })
        .await;
    assert!(matches!(result, Err(StoreError::Value(_))), "{result:?}");
}

async fn a_record_of_an_unknown_collaboration_is_refused(database: Database) {
    let store = database.open_with_collaboration().await;
    let result = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                transaction.put_records("oc", &[(person_key("p"), person("Ada"))], at(0)).await
            })
        })
        .await;
    assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
}

async fn of_two_records_with_one_key_the_last_stays(database: Database) {
    let store = database.open_with_collaboration().await;
    let (first, second) = ((person_key("p"), person("First")), (person_key("p"), person("Second")));
    put_records(&store, "co", vec![first, (person_key("q"), person("Other")), second]).await;
    assert_eq!(store.record("co", &person_key("p")).await.unwrap().unwrap().record, person("Second"));
    put_records(&store, "co", vec![(person_key("p"), person("Third"))]).await;
    assert_eq!(store.record("co", &person_key("p")).await.unwrap().unwrap().record, person("Third"));
}

async fn delete(store: &Store, key: SubjectKey, last: Vec<Membership>) -> bool {
    store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move { transaction.delete_record("co", &key, &last, at(9)).await })
        })
        .await
        .unwrap()
}

async fn a_deleted_record_keeps_its_document_and_its_last_memberships(database: Database) {
    let store = database.open_with_collaboration().await;
    let records = vec![
        (person_key("p"), person("Ada")),
        (person_key("q"), person("Bob")),
        (group_key("g"), group("staff")),
    ];
    put_records(&store, "co", records).await;
    put_memberships(&store, "co", vec![membership("g", "p"), membership("g", "q")]).await;

    assert!(delete(&store, person_key("p"), vec![membership("g", "p")]).await);
    let stored = store.record("co", &person_key("p")).await.unwrap().unwrap();
    assert_eq!(stored.record, person("Ada"));
    assert_eq!(stored.deleted, Some(at(9)));
    assert_eq!(stored.last_memberships, [membership("g", "p")]);
    assert_eq!(store.memberships_of_person("co", "p").await.unwrap(), []);
    assert_eq!(store.members_of_group("co", "g", None, 9).await.unwrap(), [membership("g", "q")]);
    let live = store.records("co", RecordKind::Person, None, 9).await.unwrap();
    assert_eq!(live.into_iter().map(|stored| stored.key.id).collect::<Vec<_>>(), ["q"]);
    assert!(!delete(&store, person_key("p"), Vec::new()).await, "it is deleted already");
    assert!(!delete(&store, person_key("nobody"), Vec::new()).await);
    let kept = store.record("co", &person_key("p")).await.unwrap().unwrap();
    assert_eq!(kept.last_memberships, [membership("g", "p")]);
}

async fn a_deleted_record_that_is_stored_again_lives(database: Database) {
    let store = database.open_with_collaboration().await;
    put_records(&store, "co", vec![(person_key("p"), person("Ada"))]).await;
    delete(&store, person_key("p"), vec![membership("g", "p")]).await;
    put_records(&store, "co", vec![(person_key("p"), person("Eve"))]).await;
    let stored = store.record("co", &person_key("p")).await.unwrap().unwrap();
    assert_eq!((stored.record, stored.deleted, stored.last_memberships), (person("Eve"), None, Vec::new()));
}

async fn deleting_a_group_removes_its_memberships(database: Database) {
    let store = database.open_with_collaboration().await;
    let records = vec![
        (person_key("p"), person("Ada")),
        (group_key("g"), group("staff")),
        (group_key("h"), group("guests")),
    ];
    put_records(&store, "co", records).await;
    put_memberships(&store, "co", vec![membership("g", "p"), membership("h", "p")]).await;
    delete(&store, group_key("g"), vec![membership("g", "p")]).await;
    let left = store.memberships_of_person("co", "p").await.unwrap();
    assert_eq!(left.into_iter().map(|left| left.group.name).collect::<Vec<_>>(), ["guests"]);
    assert_eq!(store.membership("co", "g", "p").await.unwrap(), None);
}

async fn pages_of_records_follow_each_other_in_the_order_of_bytes(database: Database) {
    let store = database.open_with_collaboration().await;
    let mut ids =
        ["z", "Z", "a", "B", "ä", "Ä", "é", "10", "9", "a-b", "a b", "ab", "日本", "ß", "ss", "_", "~"];
    put_records(&store, "co", ids.iter().map(|id| (person_key(id), person(id))).collect()).await;
    put_records(&store, "co", vec![(group_key("group"), group("no person"))]).await;
    ids.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.records("co", RecordKind::Person, after.as_deref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key.id.clone());
        seen.extend(page.into_iter().map(|stored| stored.key.id));
    }
    assert_eq!(seen, ids);
}

async fn records_are_found_by_hundreds_of_ids(database: Database) {
    let store = database.open_with_collaboration().await;
    let ids: Vec<String> = (0..301).map(|number| format!("p{number:04}")).collect();
    put_records(&store, "co", ids.iter().map(|id| (person_key(id), person(id))).collect()).await;
    for count in [0, 1, 7, 8, 9, 128, 129, 301] {
        let mut asked = ids[..count].to_vec();
        asked.push("nobody".to_owned());
        let mut found = store.records_by_id("co", RecordKind::Person, &asked).await.unwrap();
        found.sort_by(|a, b| a.key.cmp(&b.key));
        assert!(found.iter().map(|stored| &stored.key.id).eq(&ids[..count]), "{count}");
        let inside = store
            .write::<_, StoreError, _>(|transaction| {
                Box::pin(async move { transaction.records_by_id("co", RecordKind::Person, &asked).await })
            })
            .await;
        assert_eq!(inside.unwrap().len(), count);
    }
}

async fn collaborations_do_not_see_each_other(database: Database) {
    let store = database.open_with_collaboration().await;
    create_collaboration(&store, "oc").await;
    put_records(&store, "co", vec![(person_key("p"), person("Ada")), (group_key("g"), group("ours"))]).await;
    put_records(&store, "oc", vec![(person_key("p"), person("Eve")), (group_key("g"), group("theirs"))])
        .await;
    put_memberships(&store, "oc", vec![membership("g", "p")]).await;
    assert_eq!(store.record("co", &person_key("p")).await.unwrap().unwrap().record, person("Ada"));
    assert_eq!(store.records("co", RecordKind::Person, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.memberships_of_person("co", "p").await.unwrap(), []);
    delete(&store, person_key("p"), Vec::new()).await;
    assert_eq!(store.memberships_of_person("oc", "p").await.unwrap()[0].group.name, "theirs");
}

async fn a_document_of_a_mebibyte_in_any_script_is_read_as_it_was_written(database: Database) {
    let store = database.open_with_collaboration().await;
    let sample = "Ζωή 李小龍 \u{1F469}\u{200D}\u{1F680} e\u{301} \u{0} \u{7f} \"\\ مرحبا ";
    let large = person(&sample.repeat((1 << 20) / sample.len() + 1));
    put_records(&store, "co", vec![(person_key("χ-日本"), large.clone())]).await;
    assert_eq!(store.record("co", &person_key("χ-日本")).await.unwrap().unwrap().record, large);
}

async fn a_corrupt_document_is_named_and_not_quoted(database: Database) {
    let store = database.open_with_collaboration().await;
    put_records(&store, "co", vec![(person_key("p"), person("Ada")), (group_key("g"), group("staff"))]).await;
    put_memberships(&store, "co", vec![membership("g", "p")]).await;
    let mut connection = database.connect().await;
    connection
        .execute(
            "UPDATE records SET document = '{\"names\": [{\"primary\": \"hunter2\"}]}' WHERE kind = 'person'",
        )
        .await
        .unwrap();
    connection.execute("UPDATE memberships SET document = '{'").await.unwrap();

    let result = store.record("co", &person_key("p")).await;
    let message = result.as_ref().unwrap_err().to_string();
    assert!(message.contains("names[0].primary"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    assert_eq!(corrupt(result), ("records", "p".to_owned()));
    assert_eq!(corrupt(store.memberships_of_person("co", "p").await), ("memberships", "g/p".to_owned()));
}

async fn memberships_are_found_from_both_sides(database: Database) {
    let store = database.open_with_collaboration().await;
    put_records(&store, "co", vec![(group_key("g"), group("staff")), (group_key("h"), group("guests"))])
        .await;
    let memberships = vec![membership("h", "p"), membership("g", "p"), membership("g", "q")];
    put_memberships(&store, "co", memberships).await;

    let of_person = store.memberships_of_person("co", "p").await.unwrap();
    let groups: Vec<&Group> = of_person.iter().map(|found| &found.group).collect();
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["staff", "guests"]);
    assert_eq!(of_person[0].membership, membership("g", "p"));
    assert_eq!(store.membership("co", "g", "q").await.unwrap(), Some(membership("g", "q")));

    let (in_group, in_groups, one) = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move {
                let gone = [("g".to_owned(), "p".to_owned()), ("none".to_owned(), "p".to_owned())];
                transaction.delete_memberships("co", &gone).await?;
                let in_group = transaction.members_of_group("co", "g", None, 9).await?;
                let in_groups = transaction.memberships_of_person("co", "p").await?;
                Ok((in_group, in_groups, transaction.membership("co", "h", "p").await?))
            })
        })
        .await
        .unwrap();
    assert_eq!(in_group, [membership("g", "q")]);
    assert_eq!(in_groups.len(), 1);
    assert_eq!(one, Some(membership("h", "p")));
}

async fn memberships_of_hundreds_of_people_are_found_together(database: Database) {
    let store = database.open_with_collaboration().await;
    create_collaboration(&store, "oc").await;
    let people: Vec<String> = (0..300).map(|number| format!("p{number:04}")).collect();
    let memberships = people.iter().flat_map(|person| [membership("g", person), membership("h", person)]);
    put_memberships(&store, "co", memberships.collect()).await;
    put_memberships(&store, "oc", vec![membership("g", "p0007")]).await;
    let asked = people[..131].to_vec();
    let mut found = store
        .write::<_, StoreError, _>(|transaction| {
            Box::pin(async move { transaction.memberships_of_people("co", &asked).await })
        })
        .await
        .unwrap();
    found.sort_by(|a, b| (&a.person, &a.group).cmp(&(&b.person, &b.group)));
    let expected = people[..131].iter().flat_map(|person| [membership("g", person), membership("h", person)]);
    assert!(found.into_iter().eq(expected));
}

async fn a_membership_replaces_that_of_the_same_person_in_the_same_group(database: Database) {
    let store = database.open_with_collaboration().await;
    let owner = Membership { owner: true, ..membership("g", "p") };
    put_memberships(&store, "co", vec![membership("g", "p"), owner.clone()]).await;
    assert_eq!(store.membership("co", "g", "p").await.unwrap(), Some(owner));
    put_memberships(&store, "co", vec![membership("g", "p")]).await;
    assert_eq!(store.membership("co", "g", "p").await.unwrap(), Some(membership("g", "p")));
}

async fn members_of_a_group_come_in_pages(database: Database) {
    let store = database.open_with_collaboration().await;
    let people: Vec<String> = (0..200).map(|number| format!("p{number:04}")).collect();
    let memberships = people.iter().flat_map(|person| [membership("g", person), membership("h", person)]);
    put_memberships(&store, "co", memberships.collect()).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.members_of_group("co", "g", after.as_deref(), 33).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.person.clone());
        assert!(page.iter().all(|membership| membership.group == "g"));
        seen.extend(page.into_iter().map(|membership| membership.person));
    }
    assert_eq!(seen, people);
}
