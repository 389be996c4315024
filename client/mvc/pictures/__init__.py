"""Small pictures without a plotting library: shapes in a `Drawing`, written as PNG or as HTML with SVG."""
