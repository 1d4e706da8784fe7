{{/* A webhook. $ is the root, `hook` mutate or validate, `policy` the name of the policy that is asked beside the server's own. */}}
{{- define "boltseal.webhook" -}}
{{- $root := .root -}}
- name: {{ .hook }}{{ with .policy }}-{{ . }}{{ end }}.boltseal.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: {{ $root.Values.webhooks.failurePolicy }}
  matchPolicy: Equivalent
  timeoutSeconds: {{ $root.Values.webhooks.timeoutSeconds }}
  clientConfig:
    service: {name: boltseal, namespace: {{ $root.Release.Namespace }}, path: /{{ .hook }}{{ with .policy }}/{{ . }}{{ end }}}
    {{- with $root.Values.certificates.caBundle }}
    caBundle: {{ . | b64enc }}
    {{- end }}
  namespaceSelector:
    {{- with .policy }}
    matchLabels: {boltseal.dev/policy: {{ quote . }}}
    {{- end }}
    matchExpressions: {{- include "boltseal.namespaces" $root | nindent 4 }}
  {{- if eq .hook "mutate" }}
  reinvocationPolicy: IfNeeded
  {{- end }}
  # An update that leaves the pod's description as it is has no new image in it: neither who scales and annotates, nor the
  # controllers of what runs wait for boltseal. Other groups' kinds may have pods elsewhere; they are asked about whole.
  # Kubernetes 1.30; an older API server may drop this, and asks about all updates.
  matchConditions:
  - name: pods-change
    expression: >-
      request.operation != 'UPDATE' || !(request.kind.group in ['', 'apps', 'batch'])
      || !has(object.spec) || !has(oldObject.spec)
      || (has(object.spec.template) && has(oldObject.spec.template)
      ? object.spec.template != oldObject.spec.template : object.spec != oldObject.spec)
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
{{/* Namespaces by names, which nobody can give to a namespace of his own. */}}
{{- define "boltseal.namespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ append .Values.webhooks.excludedNamespaces .Release.Namespace | toJson }}
{{- with .Values.webhooks.onlyNamespaces }}
- key: kubernetes.io/metadata.name
  operator: In
  values: {{ toJson . }}
{{- end }}
{{- end }}
{{- define "boltseal.metadata" -}}
name: {{ .Release.Name }}
labels: {app.kubernetes.io/name: boltseal}
{{- if .Values.certificates.certManager }}
annotations: {cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/boltseal-tls}
{{- end }}
{{- end }}
