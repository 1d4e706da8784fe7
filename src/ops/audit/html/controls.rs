//! Which controls of others a report may serve as evidence for: a suggestion, labelled so in the page.

/// A control: which, its subject, what of the report bears on it, what the report does not show.
pub type Control = (&'static str, &'static str, &'static str, &'static str);

pub const CONTROLS: &[Control] = &[
    (
        "SLSA v1.0, verifying artifacts",
        "Build track: provenance is compared with expectations",
        "Images whose scope asks for provenance and that are allowed: builder, source and ref were compared with the policy. \
         The chain shows where provenance ends.",
        "That the builder is as isolated as its level claims: the policy trusts it by name.",
    ),
    (
        "SOC 2, CC6.8",
        "Unauthorized or malicious software is prevented or detected",
        "Images that are denied, and those that nobody whom the policy names has signed.",
        "What is in an image that is signed. Software that is no image.",
    ),
    (
        "SOC 2, CC7.1",
        "Changes that bring in new vulnerabilities are detected",
        "The tag column: what runs and is not what its tag is signed to now. Scans that the policy asks for, and their age.",
        "Changes inside of a running container: boltseal audit drift compares its filesystem.",
    ),
    (
        "SOC 2, CC8.1",
        "Changes are authorized, tested and approved",
        "Who signed each image and when; how many different signers the policy asks for.",
        "How a change was reviewed before it was built, unless the policy asks for an attestation of that.",
    ),
    (
        "PCI DSS v4.0.1, 6.3.2",
        "An inventory of custom and third-party software components",
        "The list of images with their digests and places; SBOMs where the policy asks for them.",
        "Components of images whose scope asks for no SBOM. Whether an SBOM is complete.",
    ),
    (
        "PCI DSS v4.0.1, 6.5.1",
        "Changes in production follow established procedures",
        "Images in production that the policy denies or that differ from what their tag is signed to.",
        "The procedure itself, and its approvals.",
    ),
    (
        "PCI DSS v4.0.1, 11.5.2",
        "Unauthorized modification of critical files is detected",
        "Whether the digest that runs is the signed one, at the time of the audit.",
        "Files that were changed after a container started. This is one moment, not the continuous watch that is asked for.",
    ),
];
