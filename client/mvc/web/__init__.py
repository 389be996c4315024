"""The page of a repository, or of a team's: versions, differences, plots, stages, storage, in a browser.

For one person, on their machine:
    server      listens on this machine, opens the browser, ends with Ctrl-C; knows uvicorn
    app         the application of one repository, and what stands before its routes
    door        who may come in: one token, one cookie, one origin
    daemonroutes    routes about the daemon

For a team (`mvcd serve --web`), with accounts:
    teamapp     the application of all repositories: who asks, how much at once, about which repository
    visitors    the cookie of a session, a token in a header, which requests are the page's own
    teamroutes  routes about no repository: login, who one is, which repositories there are
    teamfinding    the route that looks for something in all repositories
    adminroutes    routes about accounts

The same for both:
    dressing    what each answer says of itself; packing
    failures    errors as JSON
    site        what all routes share: the repository and how its values are written as JSON
    remembered  answers that take reading all of history, kept until it changes
    walks       walks through history that wait for their next page
    versions    routes about many versions: pages of them, and their names
    values      routes about what versions record: keys, lines, how far values reach, comparisons
    contents    routes about one version: its record, files, bytes, signatures
    tensors     routes about tensors, and figures of one
    differences    routes about two versions; tensors are measured while the answer is sent
    releases    routes about stages, the catalogue, operations
    care        routes about bytes: what takes how many, and what would free some
    finding     routes that look for something in all of history
    actions     routes that change something
    events      operations as they happen, as server-sent events
    assets      the files of the page itself
    report      the same page as files: which versions, what is written, and where it is put
    answers     what the interface answers, asked without a server, less what is this machine's
    lines       metrics over versions, in a form that takes little room
    bundle      the page's modules as one script that runs from a file

The rules of the interface are in WEB.md, those of reports in REPORT.md, the page in static/. starlette and
uvicorn come with the extra `web`.
"""
