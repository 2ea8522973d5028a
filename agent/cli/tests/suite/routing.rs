//! Owns the tests of which model answers, through the binary: flags, roles, lost links, budgets, and the reasons told.
//! Uses a service on loopback, and the built-in model.
//! Never reaches another network.

use serde_json::json;

use super::service::{Reply, Service};
use super::world::World;

#[test]
fn a_task_goes_on_with_the_built_in_model_when_the_service_is_lost() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Call("outline", json!({ "path": "src/lib.rs" }))]);
    service.configure(&world, "", "");
    let run =
        world.with_key(&["-p", "what is in src/lib.rs?", "-m", "box", "--output-format", "json"]).ended(0);
    let value = run.json();
    assert!(value["answer"].as_str().is_some_and(|answer| answer.contains("pub struct Basket")), "{value}");
    assert_eq!(service.arrived().len(), 1);
    assert!(run.err.contains("goes on in its place") && run.err.contains("/model box"), "{}", run.err);
    let models: Vec<(&str, bool)> = value["models"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|used| (used["provider"].as_str().unwrap_or_default(), used["local"] == true))
        .collect();
    assert_eq!((models.len(), models[0].1, models[1].1), (2, false, true), "{value}");
}

#[test]
fn what_a_session_costs_is_told_and_kept() {
    let world = World::with_crate();
    let service = Service::start(vec![
        Reply::Call("outline", json!({ "path": "src/lib.rs" })),
        Reply::Text("It is a basket."),
    ]);
    // 100 tokens in and 10 out are 0.0001 and 0.0001 dollars.
    let price = "[providers.box.price]\ninput = 1.0\noutput = 10.0";
    service.configure(&world, "budget_usd = 1.0", price);
    let value =
        world.with_key(&["-p", "what is it?", "-m", "box", "--output-format", "json"]).ended(0).json();
    assert_eq!(value["answer"], "It is a basket.");
    let cost = value["models"][0]["cost_usd"].as_f64().expect("a cost");
    assert!((cost - 0.000_4).abs() < 1e-9 && value["models"][0]["requests"] == 2, "{value}");
    // The first step spends it, and the second is not asked of the service.
    let service = Service::start(vec![
        Reply::Call("outline", json!({ "path": "src/lib.rs" })),
        Reply::Text("It is a basket."),
    ]);
    service.configure(&world, "budget_usd = 0.0001", price);
    let run = world.with_key(&["-p", "where is Basket defined?", "-m", "box"]).ended(0);
    assert_eq!(service.arrived().len(), 1);
    assert!(
        run.err.contains("of the $0.0001 it may") && run.out.contains("src/lib.rs"),
        "{} {}",
        run.out,
        run.err
    );
}

#[test]
fn local_and_offline_leave_only_models_of_this_machine() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("from the service")]);
    service.configure(&world, "model = \"box\"", "");
    let run = world.with_key(&["-p", "where is Basket defined?", "--local"]).ended(0);
    assert!(
        run.out.contains("src/lib.rs") && run.err.contains("in the place of box"),
        "{} {}",
        run.out,
        run.err
    );
    let refused = world.with_key(&["-p", "x", "--local", "-m", "box"]).ended(2).explains("runs elsewhere");
    assert!(refused.err.contains("--local"), "{}", refused.err);
    world.with_key(&["-p", "x", "--local", "--remote"]).ended(2).explains("cannot be used with");
    world.with_key(&["-p", "x", "-m", "nobody-of-this-name"]).ended(2).explains("unknown model");
    assert!(service.arrived().is_empty());
    // The control.
    assert_eq!(world.with_key(&["-p", "x"]).ended(0).out, "from the service\n");
    assert_eq!(service.arrived().len(), 1);
}

#[test]
fn reasons_are_told_without_asking_anybody() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("never asked")]);
    service.configure(&world, "model = \"box\"", "");
    let report = |arguments: &[&str]| world.with_key(arguments).ended(0).json();
    let value = report(&["why", "--json"]);
    assert_eq!((&value["chosen"], &value["local"]), (&json!("box"), &json!(false)), "{value}");
    assert_eq!(value["endpoint"], format!("http://127.0.0.1:{}", service.port));
    assert_eq!(value["rejected"][0]["kind"], "preference");
    let value = report(&["--local", "why", "fix the parser", "--json"]);
    assert_eq!(
        (&value["chosen"], &value["rejected"][0]["kind"]),
        (&json!("builtin"), &json!("offline")),
        "{value}"
    );
    // What runs on loopback may pass everything on: it is local only by the user's word.
    service.configure(&world, "model = \"box\"", "on_this_machine = true");
    let value = report(&["--local", "why", "--json"]);
    assert_eq!((&value["chosen"], &value["local"]), (&json!("box"), &json!(true)), "{value}");
    let text = world.with_key(&["why"]).ended(0).out;
    assert!(
        text.starts_with("box (on this machine, http://127.0.0.1") && text.contains("not builtin"),
        "{text}"
    );
    assert!(service.arrived().is_empty());
}

#[test]
fn a_session_goes_on_with_the_model_that_it_had() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("one"), Reply::Text("two")]);
    service.configure(&world, "", "");
    world.with_key(&["-p", "hello", "-m", "box"]).ended(0);
    assert_eq!(world.with_key(&["-c", "-p", "again"]).ended(0).out, "two\n");
    assert!(service.arrived()[1].text().contains("hello"));
    // The word of the user counts more, and a model that is gone is no reason to stop.
    let run = world.with_key(&["-c", "-p", "where is Basket defined?", "-m", "builtin"]).ended(0);
    assert!(run.out.contains("src/lib.rs"), "{}", run.out);
    world.with_key(&["-c", "-p", "hello", "-m", "box", "--local"]).ended(2).explains("runs elsewhere");
    assert_eq!(service.arrived().len(), 2);
}

#[test]
fn a_prompt_for_a_role_is_answered_by_its_model() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("quick"), Reply::Text("thorough")]);
    service.configure(&world, "", "");
    let entry = format!(
        "[role]\nfast = [\"quick\"]\n[model.quick]\nkind = \"remote\"\ntitle = \"Quick\"\ncontext = 8000\nlicence = \"x\"\n\
         base_url = \"http://127.0.0.1:{}/v1\"\nmodel = \"q\"\n",
        service.port
    );
    std::fs::write(world.home().join(".config/loci/models.toml"), entry).expect("written");
    assert_eq!(world.with_key(&["-p", "@fast hello", "-m", "box"]).ended(0).out, "quick\n");
    let body: serde_json::Value = serde_json::from_slice(&service.arrived()[0].body).expect("JSON");
    assert_eq!(body["model"], "q");
    assert!(service.arrived()[0].text().contains("hello") && !service.arrived()[0].text().contains("@fast"));
    let run = world.with_key(&["-p", "@review hello", "-m", "box"]).ended(1);
    assert!(run.err.contains("there is no model for review") && run.err.contains("[role]"), "{}", run.err);
    assert_eq!(world.with_key(&["-p", "hello", "-m", "box"]).ended(0).out, "thorough\n");
}

#[test]
fn roles_may_name_services_of_the_configuration() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("reviewed")]);
    service.configure(&world, "", "");
    let catalogue = world.home().join(".config/loci/models.toml");
    std::fs::write(&catalogue, "[role]\nreview = [\"box\"]\n").expect("written");
    assert_eq!(world.with_key(&["-p", "@review hello", "-m", "builtin"]).ended(0).out, "reviewed\n");
    std::fs::write(&catalogue, "[role]\nreview = [\"bux\"]\n").expect("written");
    let run = world.with_key(&["-p", "hello", "-m", "builtin"]).ended(2).explains("the unknown model `bux`");
    assert!(run.err.contains("did you mean `box`?"), "{}", run.err);
    // Named beside -m, too.
    std::fs::remove_file(&catalogue).expect("removed");
    let run = world.with_key(&["-p", "hello", "-m", "bux"]).ended(2).explains("unknown model `bux`");
    assert!(run.err.contains("did you mean `box`?"), "{}", run.err);
}
