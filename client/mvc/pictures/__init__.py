"""Small pictures without a plotting library: shapes in a `Drawing`, written as PNG or as HTML with SVG.

drawing     shapes
chart       metrics as lines
family      lineage
strip       how much each tensor changed
axis, scale, font    where values lie | colours and marks | letters
raster, page, files    pixels and PNG | HTML | which of them, by name
"""
