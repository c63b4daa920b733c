//! Jobs: listed, run by cron, canceled, and queued anew after they gave up.

use super::*;

/// As [`with_target`], with three changes that wait in the queue of the target.
fn with_jobs() -> Program {
    let program = with_target();
    let put = ["target", "put", "log", "--co", "physics", "--plugin", "changelog", "--slot", "log=files"];
    program.output(&[&put[..], &["--mode", "queue", "--retry-interval", "0"]].concat());
    // No process but `jobs run` runs jobs.
    let configuration = std::fs::read_to_string(program.folder().join("provender.toml")).unwrap();
    program.file("provender.toml", configuration.replace("[workers]\n", "[workers]\njobs = 0\n"));
    program.file("people.ndjson", PEOPLE);
    program.output(&["import", "people.ndjson", "--co", "physics"]);
    program
}

/// Ids of the jobs that a list shows, ascending.
fn listed(program: &Program, more: &[&str]) -> Vec<i64> {
    let jobs = program.json(&[&["jobs", "list", "--co", "physics"], more].concat());
    jobs.as_array().unwrap().iter().rev().map(|job| job["id"].as_i64().unwrap()).collect()
}

#[test]
fn what_waits_is_listed_by_what_it_is_about_and_run_up_to_a_number() {
    let program = with_jobs();
    let waiting = listed(&program, &["--status", "queued"]);
    assert_eq!(waiting.len(), 3);
    assert_contains(
        &program.output(&["jobs", "list", "--co", "physics", "--person", "42"]),
        &["provision", "log", "person 42", "added (PA)", "queued"],
    );
    assert_eq!(listed(&program, &["--group", "staff", "--target", "log"]).len(), 1);
    assert_eq!(listed(&program, &["--target", "elsewhere"]), [0_i64; 0]);
    assert_contains(&program.output(&["jobs", "list", "--co", "physics", "--service", "wiki"]), &["no jobs"]);
    let both = program.run(&["jobs", "list", "--co", "physics", "--person", "42", "--group", "staff"]);
    assert_eq!(both.code, 2, "{}", both.stderr);

    assert_contains(&program.output(&["jobs", "run", "--max", "1"]), &["1 jobs run"]);
    assert_eq!(listed(&program, &["--status", "complete"]).len(), 1);
    assert_contains(&program.output(&["jobs", "run", "--co", "physics"]), &["2 jobs run"]);
    assert_contains(&program.output(&["jobs", "run"]), &["0 jobs run"]);
    let lines = std::fs::read_to_string(program.folder().join("out/changelog.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let shown = program.output(&["jobs", "show", &waiting[0].to_string(), "--co", "physics"]);
    assert_contains(&shown, &["complete", "log", "cli"]);
    assert_contains(&program.error(&["jobs", "run", "--co", "chem"]), &["there is no collaboration `chem`"]);
    assert_contains(&program.error(&["jobs", "show", "99", "--co", "physics"]), &["99"]);
}

#[test]
fn a_job_that_is_canceled_is_not_run() {
    let program = with_jobs();
    let first = listed(&program, &[])[0].to_string();
    let cancel = ["jobs", "cancel", &first, "--co", "physics"];
    assert_contains(&program.output(&cancel), &[&format!("job {first} canceled")]);
    assert_contains(&program.error(&cancel), &[&first]);
    assert_eq!(listed(&program, &["--status", "canceled"]), [first.parse::<i64>().unwrap()]);
    assert_contains(&program.output(&["jobs", "run"]), &["2 jobs run"]);
}

#[test]
fn jobs_that_gave_up_are_listed_and_queued_anew_one_by_one_or_all() {
    let program = with_jobs();
    let obstacle = program.folder().join("out/changelog.ndjson");
    std::fs::create_dir(&obstacle).unwrap();
    program.output(&["jobs", "run"]);
    let given_up = listed(&program, &["--gave-up"]);
    assert_eq!(given_up.len(), 3);
    assert_contains(&program.output(&["jobs", "list", "--co", "physics", "--gave-up"]), &["failed"]);

    std::fs::remove_dir(&obstacle).unwrap();
    let one = given_up[0].to_string();
    assert_contains(&program.output(&["jobs", "requeue", &one, "--co", "physics"]), &["queued as job "]);
    assert_contains(&program.output(&["jobs", "run"]), &["1 jobs run"]);
    assert_eq!(listed(&program, &["--gave-up"]), given_up[1..]);
    let all = ["jobs", "requeue", "--co", "physics", "--all-given-up"];
    assert_contains(&program.output(&[&all[..], &["--target", "elsewhere"]].concat()), &["no job gave up"]);
    assert_contains(&program.output(&all), &["2 jobs queued"]);
    assert_contains(&program.output(&["jobs", "run"]), &["2 jobs run"]);
    assert_eq!(listed(&program, &["--gave-up"]), [0_i64; 0]);
    assert_eq!(std::fs::read_to_string(obstacle).unwrap().lines().count(), 3);
}
