"""What goes out: stages and their gates, deployment copies (EXPORT.md), model cards.

promotion   a version is put on a stage, brought back to it, or withdrawn
holders     who holds each stage, and who held it
gate        what is demanded before that
requirement  demands in the language of `--where`
export      a version as a clean directory
export_manifest  the file by which anybody can check it
verify_deploy  that check
card        what a model card says of a version
cardnotes   what people wrote about it
"""
