"""Source code for apps that run a `.tflite` file on a phone's GPU: `bokeh-tf app`.

Each kind of app is a module with a `Target` (templates of `templates/`, and what their placeholders
become for a file), listed in `generation.TARGETS`. What the code needs to know of the file is in
`ports`. Placeholders are written `@@{name}`, because `$` means something in three of the languages.
"""
