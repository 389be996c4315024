"""The parts of a `Repository`, by theme: methods that hold the lock and call the room that does the work.

    capture     saving by itself
    care        looking for damage, and healing
    release     stages, exports, model cards, the audit log
    remote      other repositories
    run         what made what
    search      questions over history
    workspace   other workspaces on the store

What a verb needs is imported by its method, so that the others do not pay for it.
"""
