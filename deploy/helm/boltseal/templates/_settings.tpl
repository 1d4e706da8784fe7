{{/* Members of a table of the settings, a line each: texts, numbers and lists of JSON are TOML's. */}}
{{- define "boltseal.members" -}}
{{- range $name, $value := . }}
    {{ $name }} = {{ toJson $value }}
{{- end }}
{{- end }}
