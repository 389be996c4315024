"""Moving closures between a store here and a peer.

    walk        which objects one side has and the other may lack
    whole       whether all that roots reach is here
    push        objects first, then refs in one update
    pull        versions, then what they reach; nothing is visible before it was checked
    window      how many frames fly at once
    local       a store on this machine as a peer
    copying     a whole store, logs and all, made equal to another one

One rule carries all of it: *being in a store proves nothing about what lies below, being reachable from a ref
does*. So a transfer that was cut short, a concurrent one, or content absent by choice needs no quarantine:
both directions compare what refs reach, and ask for single objects only where that differs.
"""
