"""manifest.py DEPLOYMENT CONTAINER WHAT: prints a part of config/kubernetes.yaml, one word per line.

WHAT is one of args, a probe (readinessProbe, ...), env (NAME=VALUE), user, readOnlyRoot.
For the container 'secret' it prints the config.toml of the secret."""

import sys

import yaml

deployment, container, what = sys.argv[1:]
with open("config/kubernetes.yaml", encoding="utf-8") as file:
    objects = list(yaml.safe_load_all(file))
if container == "secret":
    print(next(thing for thing in objects if thing["kind"] == "Secret")["stringData"]["config.toml"], end="")
    sys.exit()
pod = next(thing for thing in objects if thing["metadata"]["name"] == deployment)["spec"]["template"]["spec"]
found = next(one for one in pod["initContainers"] + pod["containers"] if one["name"] == container)
if what == "args":
    words = found["args"]
elif what == "env":
    words = [f"{one['name']}={one['value']}" for one in found["env"]]
elif what == "user":
    words = [found["securityContext"]["runAsUser"]]
elif what == "readOnlyRoot":
    words = [found["securityContext"]["readOnlyRootFilesystem"]]
elif what == "group":
    words = [pod["securityContext"]["fsGroup"]]
else:
    words = found[what]["exec"]["command"]
print("\n".join(map(str, words)))
