{{/* A webhook. $ is the root, `path` where it is asked, `labels` which namespaces have it beside the others. */}}
{{- define "boltseal.webhook" -}}
{{- $root := .root -}}
- name: {{ .name }}.boltseal.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: {{ $root.Values.webhooks.failurePolicy }}
  matchPolicy: Equivalent
  timeoutSeconds: {{ $root.Values.webhooks.timeoutSeconds }}
  clientConfig:
    service: {name: boltseal, namespace: {{ $root.Release.Namespace }}, path: {{ .path }}}
    {{- with $root.Values.certificates.caBundle }}
    caBundle: {{ . | b64enc }}
    {{- end }}
  namespaceSelector:
    {{- with .labels }}
    matchLabels: {{ toJson . }}
    {{- end }}
    matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ append $root.Values.webhooks.excludedNamespaces $root.Release.Namespace | toJson }}
  rules:
  - operations: [CREATE, UPDATE]
    apiGroups: [""]
    apiVersions: [v1]
    resources: [pods, pods/ephemeralcontainers, replicationcontrollers, podtemplates]
  - operations: [CREATE, UPDATE]
    apiGroups: [apps]
    apiVersions: ["*"]
    resources: [deployments, replicasets, statefulsets, daemonsets]
  - operations: [CREATE, UPDATE]
    apiGroups: [batch]
    apiVersions: ["*"]
    resources: [jobs, cronjobs]
{{- end }}
{{- define "boltseal.metadata" -}}
name: boltseal
labels: {app.kubernetes.io/name: boltseal}
{{- if .Values.certificates.certManager }}
annotations: {cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/boltseal-tls}
{{- end }}
{{- end }}
