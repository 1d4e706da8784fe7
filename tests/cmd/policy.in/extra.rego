package extra

# Nothing that is not reviewed.
deny contains "no review by qa" if {
    not reviewed
}

reviewed if {
    some attestation in input.attestations
    attestation.signed
    attestation.predicateType == "https://acme.example/review/v1"
    "qa" in attestation.authorities
}
