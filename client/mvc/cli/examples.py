"""An example of each verb whose help text has none: the command line, and what it is for."""

from __future__ import annotations

EXAMPLES: dict[str, dict[str, str]] = {
    "init": {
        "mvc init iris": "in a directory that is made",
        "mvc init --bare /srv/iris": "a store to push to",
    },
    "demo": {"mvc demo --keep iris": "and leave the experiment there to play with"},
    "import dvc": {"mvc import dvc ~/iris": "all commits, with what dvc pull brought"},
    "import folders": {
        "mvc import folders model_v1 model_v2 final": "a version each, oldest first"
    },
    "import git": {"mvc import git ~/iris": "all branches and tags"},
    "import hf": {"mvc import hf ~/.cache/huggingface/hub/models--org--name": "its snapshots"},
    "import lfs": {"mvc import lfs ~/iris": "git's history, with the files that LFS kept"},
    "import mlflow": {"mvc import mlflow sqlite:///mlflow.db": "a version for each run"},
    "import tf": {"mvc import tf runs/resnet": "a version for each checkpoint"},
    "add": {"mvc add .": "everything here", "mvc add data params.yaml": "these"},
    "untrack": {"mvc untrack data/raw": "in the next version it is not"},
    "status": {"mvc status": "what changed", "mvc status -s": "a line for each file"},
    "commit": {
        "mvc commit -m 'Half the learning rate'": "save everything under care",
        "mvc commit -i -m 'Only the settings'": "ask which parts and files",
    },
    "run": {"mvc run -m 'lr 0.01' -- python train.py --lr 0.01": "run it, and save what it did"},
    "watch": {
        "mvc watch": "this workspace, until mvc unwatch",
        "mvc watch --status": "what it does",
    },
    "unwatch": {"mvc unwatch": "saving is up to you again"},
    "log": {
        "mvc log --oneline --graph": "how lines part and merge",
        "mvc log --best val_loss -n 3": "the three best",
        "mvc log params.yaml": "versions that changed a file",
    },
    "ui": {
        "mvc ui": "in the browser, while it runs",
        "mvc ui --no-browser --port 8080": "through a tunnel of ssh",
        "mvc ui --export report --last 50": "as files, to pass on",
    },
    "show": {"mvc show v12": "everything about version 12"},
    "blame": {"mvc blame lr": "which version last changed a setting"},
    "bisect start": {"mvc bisect start v40 v12": "between a bad and a good version"},
    "bisect good": {"mvc bisect good": "the version that is checked out is good"},
    "bisect bad": {"mvc bisect bad": "the version that is checked out is bad"},
    "bisect skip": {"mvc bisect skip": "it cannot be judged"},
    "bisect log": {"mvc bisect log": "what was judged so far"},
    "bisect metric": {
        "mvc bisect metric 'val_loss>0.5'": "since when that is so, without a checkout"
    },
    "bisect reset": {"mvc bisect reset": "end, and go back"},
    "bisect status": {"mvc bisect status": "what is left to try"},
    "lineage": {"mvc lineage production": "what made the version that is in use"},
    "reproduce": {"mvc reproduce v12": "run its command again, and compare"},
    "ls": {"mvc ls v12 runs": "files below a directory of version 12"},
    "explain": {"mvc explain runs/last.ckpt": "why it is weights, and how it was read"},
    "stash push": {"mvc stash push -m 'half of the new loss'": "put it aside"},
    "stash pop": {
        "mvc stash pop": "the newest",
        "mvc stash pop 2 --theirs model.py": "as the stash has it",
    },
    "stash apply": {"mvc stash apply 2": "take it up, and keep it"},
    "stash list": {"mvc stash list": "what was put aside"},
    "stash show": {"mvc stash show 2": "what it changed"},
    "stash drop": {"mvc stash drop 2": "let go of it"},
    "rollback": {
        "mvc rollback v7 -m 'The new data were wrong'": "v7's content as the newest version"
    },
    "op log": {"mvc op log": "what was done here, and undone"},
    "workspace add": {"mvc workspace add ../trial trial": "branch trial in a directory of its own"},
    "workspace list": {"mvc workspace list": "all workspaces on this store"},
    "workspace remove": {"mvc workspace remove ../trial": "its versions stay"},
    "branch": {"mvc branch trial v7": "make one", "mvc branch -d trial": "delete it"},
    "switch": {
        "mvc switch trial": "move to it",
        "mvc switch -c trial v7": "make it first",
        "mvc switch -": "back",
    },
    "tag": {"mvc tag paper-2026 v12 -m 'As submitted'": "a name that never moves"},
    "describe": {"mvc describe v12 -m 'The one that we published'": "write it beside the version"},
    "verify-signature": {"mvc verify-signature v12": "who signed it"},
    "remote add": {"mvc remote add origin grpcs://models.example.org/team/iris": "a team's server"},
    "remote encrypt": {"mvc remote encrypt origin ~/.ssh/id_ed25519.pub": "only that key opens it"},
    "remote list": {"mvc remote list": "names and addresses"},
    "remote presign": {
        "mvc remote presign origin production --expires 12h --to iris.links": "for a machine without keys"
    },
    "remote remove": {"mvc remote remove old": "its branches here go too"},
    "remote rename": {"mvc remote rename origin upstream": "its branches follow"},
    "remote set-url": {"mvc remote set-url origin ssh://box/srv/iris": "it moved"},
    "clone": {
        "mvc clone grpcs://models.example.org/team/iris": "all of it",
        "mvc clone --only weights ssh://box/srv/iris": "history, and the models",
    },
    "fetch": {"mvc fetch": "what is new at origin"},
    "pull": {
        "mvc pull": "fetch, then move forward",
        "mvc pull --merge": "also if both sides went on",
    },
    "merge": {"mvc merge trial": "take over what branch trial did"},
    "push": {"mvc push": "the current branch to origin", "mvc push --tags": "and all tags"},
    "follow": {"mvc follow origin production --to /srv/model": "keep a deployed copy up to date"},
    "ls-remote": {"mvc ls-remote": "refs of origin"},
    "oci push": {
        "mvc oci push registry.example.org/iris:v12 v12": "as an artifact that oras reads"
    },
    "oci pull": {"mvc oci pull registry.example.org/iris:v12": "and save it as a version"},
    "promote": {"mvc promote v12 production -m 'Best of the week'": "after its checks"},
    "stage history": {"mvc stage history production": "who held it when, and why"},
    "stage list": {"mvc stage list": "all stages, and who holds them"},
    "stage rollback": {
        "mvc stage rollback production -m 'It was slower'": "the one before holds it again"
    },
    "stage withdraw": {"mvc stage withdraw production -m 'Licence'": "nobody holds it"},
    "export": {"mvc export production /srv/model --only weights": "to be deployed"},
    "verify-deploy": {"mvc verify-deploy /srv/model": "on any machine, without a repository"},
    "card": {"mvc card production > MODEL_CARD.md": "as Markdown"},
    "catalogue": {"mvc catalogue": "what is published, in a table"},
    "logout": {"mvc logout grpcs://models.example.org": "the token here is gone"},
    "whoami": {"mvc whoami": "who you are on each server that you logged in to"},
    "admin backup": {"mvc admin backup /backup/models": "while the server serves"},
    "admin copy": {
        "mvc admin copy /srv/models s3://models/team": "a team moves into a bucket",
        "mvc admin copy s3://models/team /srv/again": "and back",
    },
    "admin restore": {
        "mvc admin restore /backup/models /srv/models": "into a directory that is made"
    },
    "admin repair": {"mvc admin repair team/iris": "what is damaged there"},
    "admin grant add": {"mvc admin grant add ada write --repos 'team/*'": "what she may do where"},
    "admin grant list": {"mvc admin grant list": "all of them"},
    "admin grant remove": {"mvc admin grant remove ada --repos 'team/*'": "from the next call on"},
    "admin protect add": {
        "mvc admin protect add heads/main --repos 'team/*'": "it only moves forward"
    },
    "admin protect list": {"mvc admin protect list": "all rules"},
    "admin protect remove": {"mvc admin protect remove heads/main --repos 'team/*'": "let it go"},
    "admin quota list": {"mvc admin quota list": "what is used of what"},
    "admin quota remove": {"mvc admin quota remove --repos 'team/*'": "no limit any more"},
    "admin quota set": {"mvc admin quota set 200G --repos 'team/*'": "for each of them"},
    "admin repo add": {"mvc admin repo add team/iris": "an empty one"},
    "admin repo gc": {"mvc admin repo gc team/iris": "free what nothing reaches"},
    "admin repo list": {"mvc admin repo list": "with their sizes"},
    "admin repo optimize": {"mvc admin repo optimize team/iris": "store it in fewer bytes"},
    "admin repo remove": {"mvc admin repo remove team/iris": "with all that it has"},
    "admin repo verify": {"mvc admin repo verify team/iris": "re-hash everything"},
    "admin token add": {"mvc admin token add ada --expires 90d": "shown once"},
    "admin token list": {"mvc admin token list ada": "when each was used last"},
    "admin token revoke": {"mvc admin token revoke 1f2e3d4c": "from the next call on"},
    "admin user add": {"mvc admin user add ada": "then a token, or a certificate"},
    "admin user certificate": {
        "mvc admin user certificate ada ada.example.org": "who shows a certificate of that name is ada"
    },
    "admin user list": {"mvc admin user list": "all of them"},
    "admin user remove": {"mvc admin user remove ada": "with tokens and grants"},
    "audit log": {"mvc audit log -n 20": "the newest rows"},
    "audit verify": {"mvc audit verify": "the chain of rows is whole"},
    "verify": {"mvc verify": "everything here", "mvc verify --sample 1%": "some of it, quickly"},
    "repair": {
        "mvc repair -n": "what it would do",
        "mvc repair --from origin": "with a remote's help",
    },
    "gc": {"mvc gc": "free what nothing reaches"},
    "prune": {"mvc prune --dry-run": "what [retention] of mvc.toml lets go"},
    "optimize": {"mvc optimize": "it may be interrupted at any moment"},
    "du": {"mvc du": "by version, branch and component", "mvc du runs": "below a directory"},
    "doctor": {"mvc doctor": "each finding names its remedy"},
    "config get": {"mvc config get user.name": "exit code 1 if it is not set"},
    "config list": {"mvc config list --show-origin": "and the file each is from"},
    "config set": {"mvc config set --user user.name 'Ada Lovelace'": "for all your repositories"},
    "config unset": {"mvc config unset commit.sign": "the default holds again"},
    "check-ignore": {"mvc check-ignore runs/tmp.ckpt": "which rule leaves it out"},
    "version": {"mvc version": "for a bug report"},
}
"""Command lines by the words of the verb, without `mvc`."""


def examples(words: str) -> dict[str, str]:
    """Returns those of a verb, by its words without `mvc`."""
    return EXAMPLES.get(words, {})
