"""The interface keeps to its own description, whatever is asked: /openapi.json is read, and every path in it asked for what it allows and
for what it does not. The stream has no end, so it is left out.

Arguments: the name of a circuit, of which alone is asked then; without it, everything is asked for and names are made up. A token, if
one is needed: then all is asked with it, and without.
"""

import subprocess
import sys
import tempfile

from stage import *

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
# A token says who acts: with one, an order without a name is good, though the description asks for a name.
CHECKS_WITHOUT_TOKEN = f"{CHECKS},negative_data_rejection"
EXAMPLES = 12
SEED = 20260301

# What a process that cannot do something answers, and what an instance that is draining says, are no faults.
SETTINGS = """
[[operations]]
include-path = ["/reload", "/drain", "/log-level"]
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "501"]

[[operations]]
include-path = ["/readyz"]
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]
"""

name, token = (sys.argv[1:] + [None, None])[:2]
until(lambda: ask("circuits", token)["circuits"], "somebody has called")
with tempfile.TemporaryDirectory() as folder:
    config = os.path.join(folder, "schemathesis.toml")
    with open(config, "w") as file:
        file.write((f'[parameters]\n"path.name" = "{name}"\n' if name else "") + SETTINGS)
    for secret in {token, None}:
        ended = subprocess.run([
            os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--config-file", config, "run", f"{ADMIN}/openapi.json",
            "--exclude-path", "/events", "--checks", CHECKS if secret else CHECKS_WITHOUT_TOKEN, "--max-examples", str(EXAMPLES), "--seed", str(SEED),
            "--phases", "examples,coverage,fuzzing", "--rate-limit", "auto", "--warnings", "off", "--continue-on-failure",
            *(["--include-path-regex", "{name}"] if name else []),
            *(["--header", f"Authorization: Bearer {secret}"] if secret else []),
        ], cwd=folder)
        assert ended.returncode == 0, f"what it found stands above; {'with' if secret else 'without'} a token"
