"""[kubernetes]: the stack on a cluster's nodes instead of a machine of its own."""

from typing import Annotated, Literal

from pydantic import Field

from llmgen.config.tables.base import (
    ClusterName,
    Count,
    Domain,
    FileName,
    ImageName,
    LabelKey,
    LabelValue,
    ModelName,
    Release,
    ResourceName,
    Seconds,
    Secret,
    SecretName,
    Size,
    Table,
    Text,
    Url,
)
from llmgen.config.tables.hardware import Hardware
from llmgen.config.tables.models import ModelTable

Style = Literal["plain", "kserve", "lws"]
ClusterGateway = Literal["none", "gateway-api", "ai-gateway", "inference-extension"]


class Taint(Table):
    """A taint of a pool's nodes, which its pods tolerate."""

    key: LabelKey
    """Its key."""
    value: LabelValue = ""
    """Its value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """What it does to others."""


class PoolTable(Table):
    """[kubernetes.pools.NAME]: nodes that are alike."""

    count: Annotated[Count, Field(ge=1, le=5000)] = 1
    """How many nodes there are."""
    hardware: Hardware = Hardware.model_construct()
    """A node of it, laid over [hardware]; `reserve` is what kubelet and system keep."""
    cpu: Count | None = Field(default=None, ge=1)
    """Cores that pods may have; absent: they are not counted."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels of its nodes, by which pods find them; absent: `llmgen.io/pool = "NAME"`."""
    taints: tuple[Taint, ...] = ()
    """Taints of its nodes."""
    gpu_resource: ResourceName | None = None
    """What its device plugin calls a device (`nvidia.com/gpu.shared`, `nvidia.com/mig-3g.40gb`);
    absent: the vendor's usual name."""
    device_class: Domain | None = None
    """Devices by claims of this DeviceClass (`gpu.nvidia.com`) instead of a device plugin."""
    layout: Literal["models", "stack"] = "models"
    """`"models"`: a pod for each always-on model, one with llama-swap for all on-demand ones.
    `"stack"`: one pod with llama-swap for all, always-on ones pinned: what shares a device."""
    max_surge: Annotated[Count, Field(ge=0, le=100)] = 0
    """Pods beside the old ones in a rolling update; each needs room of its own."""
    priority: Annotated[Count, Field(ge=1, le=10**9 - 1000)] | None = None
    """Priority of its pods: they take the place of others that have less. Larger pods get more of
    it where all find a node in every order then; absent: no PriorityClass is written."""
    models: dict[ModelName, ModelTable] = Field(default_factory=dict)
    """Keys of models that are others on these nodes."""


class Storage(Table):
    """[kubernetes.storage]: the volume with the model files."""

    claim: Domain | None = None
    """A PersistentVolumeClaim that is there already; absent: one is made."""
    storage_class: Domain | None = None
    """Its class; absent: the cluster's default."""
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"] = "ReadWriteMany"
    """Who may mount it: `ReadWriteOnce` is for pods of one node, `ReadWriteOncePod` for one pod."""
    size: Size | None = None
    """Its size; absent: the files of all models and a tenth."""
    hub_token: Secret | None = None
    """Token of the Hub, for what is not everybody's to download."""


class ClusterTls(Table):
    """[kubernetes.tls]: Envoy's listener of the cluster speaks TLS."""

    secret: Domain
    """A Secret of the type `kubernetes.io/tls` (`tls.crt`, `tls.key`, and `ca.crt` where
    [gateway.envoy.tls] has `client_ca`); a renewed certificate is used without a restart."""


class ScaleTable(Table):
    """[kubernetes.scale]: KEDA starts and ends pods of always-on models as requests come."""

    enable: bool = False
    """Write its objects."""
    by: Literal["prometheus", "http-add-on"] = "prometheus"
    """Who counts requests. `"prometheus"`: Envoy, whose series KEDA reads; it wants
    [kubernetes.monitoring]. `"http-add-on"`: the interceptor of KEDA's HTTP add-on, which Envoy (or
    Envoy AI Gateway) asks instead of a model's pods; there a request waits while a pod starts."""
    min: Annotated[Count, Field(ge=0)] = 1
    """Fewest pods of a model. By Prometheus 0 loses requests: Envoy waits about ten seconds for a
    pod, and one takes longer to start. The HTTP add-on loses none, nor does `keep = "on_demand"`.
    """
    max: Annotated[Count, Field(ge=1)] | None = None
    """Most pods of a model; absent: as many as are planned (`hosts` of the model). Never more:
    for them the nodes have room."""
    cooldown: Seconds = 600
    """Time without a request after which they end; never less than two loads take."""
    prometheus: Url = "http://prometheus-operated.monitoring:9090"
    """Prometheus that has the gateway's metrics."""
    namespace: ClusterName = "keda"
    """Where the HTTP add-on and its interceptor run."""


class Monitoring(Table):
    """[kubernetes.monitoring]: objects of the Prometheus operator."""

    enable: bool = False
    """Write PodMonitors (gateways, llama-swap, servers with `metrics = true`), a PrometheusRule
    and a dashboard for Grafana's sidecar; Envoy then has a `metrics_port`."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels by which the operator selects them (`{ release = "prometheus" }`)."""
    namespace: ClusterName = "monitoring"
    """The namespace of Prometheus, which may ask pods for their metrics."""


class Environment(Table):
    """[kubernetes.environments.NAME]: an overlay of kustomize."""

    context: Text | None = None
    """Context of kubectl's configuration for it."""
    namespace: ClusterName | None = None
    """Its namespace; absent: that of the base."""
    images: dict[Text, ImageName] = Field(default_factory=dict)
    """Images in place of others: `{ "docker.io/envoyproxy/envoy" = "mirror.example/envoy:v1" }`;
    without a tag each keeps its own."""
    copies: dict[ModelName, Annotated[Count, Field(ge=0)]] = Field(default_factory=dict)
    """Pods of an always-on model there, which the nodes have to hold as well."""


class Kubernetes(Table):
    """[kubernetes]: what runs the stack is a cluster."""

    context: Text | None = None
    """Context of kubectl's configuration; absent: `--context` has to name it, never the current
    one by accident."""
    namespace: ClusterName = "llm"
    """Where everything is."""
    version: Release = "1.34"
    """Version of the API server."""
    style: Style = "plain"
    """How models are served: by Deployments, by KServe, or by LeaderWorkerSets where one model
    is on several nodes."""
    gateway: ClusterGateway = "none"
    """What leads into the cluster, beside Envoy or LiteLLM of [gateway] as a Deployment: routes of
    the Gateway API, Envoy AI Gateway, or InferencePools."""
    gateway_class: Domain = "eg"
    """GatewayClass of its Gateway."""
    gateway_namespace: ClusterName = "envoy-gateway-system"
    """The namespace of that gateway's own pods, which may ask those of the stack."""
    gateway_hostname: Domain | None = None
    """The name under which clients ask its Gateway; absent: any."""
    gateway_certificate: Domain | None = None
    """The Secret (`kubernetes.io/tls`) with the certificate of its Gateway; absent: plain HTTP."""
    picker_image: ImageName = "registry.k8s.io/gateway-api-inference-extension/epp:v1.2.0"
    """Image of the endpoint picker (`gateway = "inference-extension"`)."""
    tokens_per_minute: Count = Field(default=0, ge=0)
    """Tokens for each key of [gateway.envoy] (`gateway = "ai-gateway"`); 0 is no limit."""
    domain: Domain = "cluster.local"
    """Domain of the cluster, in which Envoy AI Gateway looks up Services."""
    pools: dict[FileName, PoolTable] = Field(default_factory=dict)
    """Its nodes; absent: one node like [hardware]."""
    storage: Storage = Storage.model_construct()
    """The model files."""
    secret: SecretName = "llmgen-keys"  # noqa: S105 - a name
    """The Secret with all keys: `{ env = "KEY" }` is its entry `KEY`."""
    external_secrets: Domain | None = None
    """A ClusterSecretStore that External Secrets fills that Secret from; absent: it is there."""
    tls: ClusterTls | None = None
    """The certificate of Envoy's listener; it stands for the files of [gateway.envoy.tls]."""
    image_pull_secrets: tuple[Domain, ...] = ()
    """Secrets for registries."""
    llmgen_image: ImageName | None = None
    """Image of llmgen, in which a Job downloads the model files of the Hub that llm.lock names;
    absent: nothing downloads them."""
    longest_answer: Seconds = 600
    """How long pods that end may go on with what they have begun."""
    monitoring: Monitoring = Monitoring.model_construct()
    """The Prometheus operator."""
    scale: ScaleTable = ScaleTable.model_construct()
    """KEDA."""
    helm: bool = False
    """Write a Helm chart of the same objects, too: values are the namespace, images and counts."""
    environments: dict[FileName, Environment] = Field(default_factory=dict)
    """Overlays of kustomize."""
