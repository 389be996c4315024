"""Environment variables and files: what the manual says of them. A test compares it with the sources."""

from __future__ import annotations

ENVIRONMENT = {
    "DOCKER_CONFIG": (
        "Directory of config.json, where mvc oci finds logins for registries. [default: ~/.docker]"
    ),
    "MVC_AGE_IDENTITY": (
        "File of your private age or SSH key, which opens encrypted buckets. [default: ~/.ssh/id_ed25519]"
    ),
    "MVC_AUTHOR": "Author of new versions, as 'NAME <MAIL>'; overrides user.name and user.email.",
    "MVC_CONFIG": "File of your own settings. Empty: none is read.",
    "MVC_DEBUG": "Set: errors show a Python traceback, and a fault of the system its signal.",
    "MVC_KEY_PASSWORD": "Password of the key that mvc attest signs with.",
    "MVC_NO_DAEMON": "Set to 1: nothing starts mvcd. mvc watch refuses, mvc demo commits by itself.",
    "MVC_ROOT": "Directory of the team server that mvc admin works on.",
    "MVC_RUNTIME_DIR": (
        "Directory of mvcd's lock and control socket. [default: /run/user/UID/mvc, or /tmp/mvc-UID]"
    ),
    "MVC_STATE_DIR": "Directory of mvcd's log and list of workspaces. [default: ~/.local/state/mvc]",
    "MVC_TOKEN": "Token to show to servers, instead of the one that mvc login keeps.",
    "NO_COLOR": "Set: no colours.",
    "FORCE_COLOR": "Set: colours even where the output is no terminal.",
    "PAGER": "Program that shows long output on a terminal. [default: less]",
    "VISUAL, EDITOR": "Editor that mvc commit opens for the message.",
}
"""Variables that people set."""

GIVEN = {
    "MVC_SEED": "The seed, to a command that mvc run --seed starts (PYTHONHASHSEED too).",
    "MVC_VERSION, MVC_NUMBER, MVC_BRANCH, MVC_MESSAGE, MVC_ROOT": (
        "The version that mvcd saved, its number, branch and message, and its workspace, "
        "to the command in watch.hook."
    ),
}
"""Variables that mvc sets for the programs it starts."""

FILES = {
    "mvc.toml": "Settings that travel with versions: components, metrics, [watch], [stages].",
    ".mvcignore": "Patterns, in the syntax of .gitignore, of paths that no version shall have.",
    ".mvc/": "What mvc keeps in a workspace: the store, or where it is, and config.toml.",
    "~/.config/mvc/config.toml": (
        "Your own settings (mvc config set --user). On macOS it is in ~/Library/Application Support/mvc."
    ),
}
