"""The page of a repository: versions, differences, plots, stages, storage and the daemon, in a browser.

    server      listens on this machine, opens the browser, ends with Ctrl-C; knows uvicorn
    app         the routes, what stands before them, errors as JSON
    door        who may come in: one token, one cookie, one origin
    site        what all routes share: the repository and how its values are written as JSON
    versions    routes about many versions: pages of them, keys, series, comparisons
    contents    routes about one version: its record, files, bytes, tensors
    differences    routes about two versions; tensors are measured while the answer is sent
    releases    routes about stages, storage, operations, the daemon
    actions     routes that change something
    events      operations as they happen, as server-sent events
    assets      the files of the page itself

The rules of the interface are in WEB.md, the page in static/. starlette and uvicorn come with the extra `web`.
"""
