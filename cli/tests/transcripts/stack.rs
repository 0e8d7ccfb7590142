//! `tfx stack --engine compose`: which Compose is taken, and what is said where there is none.

use crate::{place::Place, transcript::Transcript};

#[test]
fn compose_is_a_plugin_or_a_program_and_what_is_missing_is_said() {
    let place = Place::empty();
    place.file("deploy/docker-compose.yml", "");
    // Both tell their version and otherwise show how they were called.
    place.file("plugin/docker", "#!/bin/sh\n[ \"$2\" != version ] && echo docker \"$@\" || echo v2.39.1\n");
    place.file("bare/docker", "#!/bin/sh\necho \"unknown shorthand flag: 'f' in -f\" >&2\nexit 125\n");
    for (folder, version) in [("new", "2.39.1"), ("old", "1.29.2")] {
        let program =
            format!("#!/bin/sh\n[ \"$1\" != version ] && echo docker-compose \"$@\" || echo {version}\n");
        place.file(&format!("{folder}/docker-compose"), &program);
    }
    place.ok("chmod +x plugin/docker bare/docker new/docker-compose old/docker-compose");
    // Nothing else is on the PATH.
    place.ok("ln -s $(command -v tfx) plugin/tfx");
    place.ok("mkdir none && for f in bare new old none; do cp -P plugin/tfx $f/tfx; done");
    let mut t = Transcript::new(&place);
    t.all(
        "PATH=plugin:new tfx stack logs --engine compose --follow api-service
        PATH=bare:new tfx stack down --engine compose --purge
        PATH=new tfx stack status --engine compose
        PATH=bare:old tfx stack up --engine compose
        PATH=bare:none tfx stack up --engine compose
        PATH=none tfx smoke --stack compose",
    );
    t.is("stack_compose");
}
