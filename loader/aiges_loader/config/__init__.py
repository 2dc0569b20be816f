"""aiges.toml and the environment, parsed once into frozen values. Nobody else sees a raw dict."""

from aiges_loader.config.environment import C_LIBRARY, plugin_mode
from aiges_loader.config.files import DEFAULT_NAME, default_text, locate, write_default
from aiges_loader.config.findings import ConfigError, Finding, Place
from aiges_loader.config.loading import load, load_given
from aiges_loader.config.values import (
    AdminConfig,
    AigesConfig,
    BatchConfig,
    GiveUp,
    HttpConfig,
    LimitsConfig,
    ListenAddress,
    LoaderConfig,
    LogConfig,
    LogLevel,
    PluginMode,
    PoolConfig,
    ProcessConfig,
    ServiceConfig,
    WebSocketConfig,
)

__all__ = [
    "C_LIBRARY",
    "DEFAULT_NAME",
    "AdminConfig",
    "AigesConfig",
    "BatchConfig",
    "ConfigError",
    "Finding",
    "GiveUp",
    "HttpConfig",
    "LimitsConfig",
    "ListenAddress",
    "LoaderConfig",
    "LogConfig",
    "LogLevel",
    "Place",
    "PluginMode",
    "PoolConfig",
    "ProcessConfig",
    "ServiceConfig",
    "WebSocketConfig",
    "default_text",
    "load",
    "load_given",
    "locate",
    "plugin_mode",
    "write_default",
]
