"""Small pictures without a plotting library: shapes in a `Drawing`, written as PNG, SVG or HTML.

drawing     shapes
chart, figure    metrics as lines, in a fixed pitch | as papers print them
family      lineage
strip       how much each tensor changed
axis, scale, font    where values lie | colours and marks | letters
letters     how wide proportional text is
raster, ink, page, files    PNG of our own | by Pillow | SVG and HTML | which of them, by name
"""
