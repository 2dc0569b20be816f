"""Wrappers for single calls as published ones are written, one for each habit, as source text.

Own code throughout; the habits are those found in wrappers of others. Each row names the section
of the survey of published wrappers that it stands for; docs/sdk.md has its list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

TRIED = """
try:
    from aiges_embed import ResponseData, Response, DataListNode, DataListCls  # c++
except:
    from aiges.dto import Response, ResponseData, DataListNode, DataListCls
"""

SDK = """
from aiges.sdk import WrapperBase, \\
    StringParamField, \\
    ImageBodyField, \\
    StringBodyField
from aiges.core.types import *
from aiges.utils.log import log, getFileLogger
"""

FIELDS = """

class UserRequest(object):
    params1 = StringParamField(key="ctrl", enums=["a", "b"], value="a")
    input1 = StringBodyField(key="text", value=b"hello")
    input2 = ImageBodyField(key="img", path="test_data/test.png")


class UserResponse(object):
    accept1 = StringBodyField(key="result")
"""

ANSWER = """
        res = Response()
        item = ResponseData()
        item.key = "result"
        item.setDataType(DataText)
        item.status = Once
        item.setData(SAID)
        res.list = [item]
        return res
"""

CONSTRUCTOR = """def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)"""
INIT = """def wrapperInit(cls, config: {}) -> int:
        return 0"""
ERROR = """def wrapperError(cls, ret: int) -> str:
        return "text of %d" % ret"""
FINI = """
    def wrapperFini(cls) -> int:
        return 0
"""
TEST_FUNC = """
    def wrapperTestFunc(cls, data: [], respData: []):
        pass
"""

SHOUTED = "reqData.list[0].data.upper()"


def wrapper(
    once: str = "",
    *,
    imports: str = TRIED + SDK,
    fields: str = FIELDS,
    base: str = "WrapperBase",
    constructor: str = CONSTRUCTOR,
    init: str = INIT,
    error: str = ERROR,
    fini: str = FINI,
    test_func: str = TEST_FUNC,
    more: str = "",
) -> str:
    """Return a wrapper; each argument is the text of that part."""
    once = once or exec_of("cls, params: {}, reqData: DataListCls")
    parts = (constructor, init, once, error, more)
    body = "\n\n".join(f"    {part}" for part in parts if part)
    return f"""{imports}{fields}

class Wrapper({base}):
    serviceId = "published"
    version = "backup.0"
    requestCls = UserRequest()
    responseCls = UserResponse()
    model = None

{body}
{fini}{test_func}"""


def exec_of(parameters: str, said: str = SHOUTED, before: str = "pass") -> str:
    """Return a wrapperOnceExec with these parameters that answers with `said`."""
    return f"def wrapperOnceExec({parameters}):\n        {before}" + ANSWER.replace("SAID", said)


def later_of(parameters: str, push: str, said: str = SHOUTED) -> str:
    """Return a wrapperOnceExecAsync that answers from another thread by the statement `push`."""
    answer = ANSWER.replace("SAID", said).replace("return res", "THREAD")
    thread = f"threading.Thread(target=lambda: {push}).start()\n        return 0"
    return (
        "def wrapperOnceExec(cls, params, reqData):\n        pass\n\n"
        f"    def wrapperOnceExecAsync({parameters}):" + answer.replace("THREAD", thread)
    )


REFUSES = """def wrapperOnceExec(self, params, reqData):
        return Response().response_err(100)"""

CALLBACK = "import threading\n" + TRIED + "from aiges.dto import callback\n" + SDK
PUSHED_WITH_THREE = "import threading\nfrom aiges.callback import callback as push\n" + TRIED + SDK


@dataclass(frozen=True)
class Row:
    """A wrapper, and what a call to it gives.

    Attributes:
        section: Of the survey.
        source: The wrapper.
        answer: Its outputs by key; of repeated keys the last.
        error: Or the code and part of the text that it ends with.
        params: What the call has beside its text, "hello".
        files: What else lies in its folder.
    """

    section: str
    source: str
    answer: Mapping[str, bytes] = field(default_factory=lambda: {"result": b"HELLO"})
    error: tuple[int, str] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


NO_EMBED = {"aiges_embed.py": "raise ImportError('not in the host of C++')"}
"""Shadows ours, so that wrappers take their other branch."""

IMPORTS: Mapping[str, Row] = {
    "embed first": Row("1", wrapper()),
    "dto as fallback": Row(
        "1",
        wrapper(
            exec_of("cls, params, reqData", "str('aiges_embed' in sys.modules)"),
            imports="import sys\n" + TRIED + SDK,
        ),
        answer={"result": b"False"},
        files=NO_EMBED,
    ),
    "star import first": Row(
        "1", wrapper(imports="from aiges.core.types import *\n" + TRIED + SDK)
    ),
    "star import of the old module": Row(
        "1", wrapper(imports=TRIED + SDK.replace("aiges.core.types", "aiges.types")), files=NO_EMBED
    ),
    "constants bound anew": Row(
        "1",
        wrapper(imports=TRIED + SDK + "DataBegin, DataContinue, DataEnd, DataNone = 0, 1, 2, -1\n"),
    ),
    "everything of dto": Row(
        "1", wrapper(imports="from aiges.dto import *\n" + SDK), files=NO_EMBED
    ),
    "one missing name sends the line to the fallback": Row(
        "1",
        wrapper(
            imports="""
try:
    from aiges_embed import Response, ResponseData, DataListCls, never_was
except:
    from aiges.dto import Response, ResponseData, DataListCls
"""
            + SDK
        ),
    ),
    "a name in an annotation that only one branch imports": Row(
        "1",
        wrapper(
            imports="""
try:
    from aiges_embed import ResponseData, Response, DataListCls, SessionCreateResponse, callback
except:
    from aiges.dto import Response, ResponseData, DataListCls
"""
            + SDK,
            more="def wrapperCreate(cls, params: {}, sid: str) -> SessionCreateResponse:\n"
            "        return SessionCreateResponse()",
        ),
    ),
    "metrics, each with a fallback of its own": Row(
        "1, 2.3",
        wrapper(
            exec_of(
                "cls, params, reqData, usrTag=''",
                "'%d %d %d' % told",
                before="told = (callback_metric(usrTag, 'chars', 5),"
                " callback_trace(usrTag, 'k', 'v'),"
                " callback_metric_ex(usrTag, 'app', 'ch', 'chars', 5))",
            ),
            imports=TRIED
            + SDK
            + """
try:
    from aiges_embed import callback_metric
except:
    callback_metric = None
from aiges_embed import callback_metric_ex, callback_trace
""",
        ),
        answer={"result": b"0 0 0"},
    ),
}

SIGNATURES: Mapping[str, Row] = {
    "params, reqData": Row("4", wrapper()),
    "params, reqData, persId": Row(
        "4",
        wrapper(exec_of("cls, params, reqData, persId=9", "str(persId)")),
        answer={"result": b"0"},
    ),
    "params, reqData, usrTag, persId": Row(
        "4",
        wrapper(exec_of("cls, params, reqData, usrTag='', persId=9", "'%s %d' % (usrTag, persId)")),
        answer={"result": b"the-tag 0"},
    ),
    "params, reqData, usrTag, psrID": Row(
        "4",
        wrapper(exec_of("cls, params, reqData, usrTag='', psrID=9", "'%s %d' % (usrTag, psrID)")),
        answer={"result": b"the-tag 0"},
    ),
    "params, reqData, usrTag": Row(
        "4",
        wrapper(exec_of("self, params, reqData, usrTag=''", "usrTag + params['sid']")),
        answer={"result": b"the-tagthe-tag"},
    ),
    "positions of the oldest host": Row(
        "0",
        wrapper(exec_of("self, *args", "'%s %s' % (args[2], args[3])")),
        answer={"result": b"the-tag 0"},
    ),
    "async by usrTag": Row(
        "4",
        wrapper(
            later_of("cls, params, reqData, usrTag, persId=0", "callback(res, usrTag)"),
            imports=CALLBACK,
        ),
    ),
    "async by usrTag with a default": Row(
        "4",
        wrapper(
            later_of("cls, params, reqData, usrTag='9527', persId=0", "callback(res, usrTag)"),
            imports=CALLBACK,
        ),
    ),
    "async by sid": Row(
        "4",
        wrapper(
            later_of("cls, params, reqData, sid, persId=0", "callback(res, sid)"),
            imports=CALLBACK,
        ),
    ),
    "async with tag and sid": Row(
        "4",
        wrapper(
            later_of("cls, params, reqData, usrTag, persId=0", "push(res, usrTag, params['sid'])"),
            imports=PUSHED_WITH_THREE,
        ),
    ),
    "an error as instance method": Row(
        "4",
        wrapper(
            REFUSES,
            error="def wrapperError(self, ret):\n        return 'mine: %d' % ret",
        ),
        error=(100, "mine: 100"),
    ),
    "an error as class method": Row(
        "4",
        wrapper(
            REFUSES,
            error="@classmethod\n    def wrapperError(cls, ret):\n"
            "        return '%s %d' % (cls.version, ret)",
        ),
        error=(100, "backup.0 100"),
    ),
    "init as class method": Row(
        "4",
        wrapper(
            exec_of("self, params, reqData", "str(self.lic)"),
            init="@classmethod\n    def wrapperInit(cls, config):\n"
            "        cls.lic = int(config.get('common.lic', 10)) + 1\n        return 0",
        ),
        answer={"result": b"5"},
    ),
    "a constructor without parameters": Row(
        "4", wrapper(constructor="def __init__(self):\n        super().__init__()")
    ),
    "no constructor": Row("4", wrapper(constructor="")),
    "no wrapperTestFunc": Row("0", wrapper(test_func="")),
}

HABITS: Mapping[str, Row] = {
    "data and len assigned, as text": Row(
        "2.2",
        wrapper(
            "def wrapperOnceExec(cls, params, reqData):\n"
            "        data = ResponseData(key='result', len=1)\n"
            "        data.data = '一二'\n"
            "        data.len = len('一二')\n"
            "        data.type = 0\n"
            "        res = Response()\n"
            "        res.list = [data]\n"
            "        return res"
        ),
        answer={"result": "一二".encode()},
    ),
    "a memoryview": Row(
        "2.2",
        wrapper(exec_of("cls, params, reqData", "memoryview(reqData.get('text').data)")),
        answer={"result": b"hello"},
    ),
    "an input that is not there": Row(
        "2.2",
        wrapper(
            exec_of(
                "cls, params, reqData",
                "('%s' % reqData.list)[:4]",
                before="node = reqData.get('no such')\n        assert not node",
            )
        ),
        answer={"result": b"[Dat"},
    ),
    "params written into": Row(
        "3",
        wrapper(
            exec_of(
                "self, params, reqData",
                "str(params['wrapper'] is self)",
                before="params['wrapper'] = self",
            )
        ),
        answer={"result": b"True"},
    ),
    "a reassigned error": Row(
        "2.2",
        wrapper(
            "def wrapperOnceExec(cls, params, reqData):\n        res = Response()\n"
            "        res = res.response_err(-1)\n        return res"
        ),
        error=(-1, "text of -1"),
    ),
    "response_err of the wrapper itself": Row(
        "3.3",
        wrapper(
            "def wrapperOnceExec(self, params, reqData):\n        return self.response_err(100)"
        ),
        error=(30003, "AttributeError"),
    ),
    "an int": Row(
        "3.3",
        wrapper("def wrapperOnceExec(self, params, reqData):\n        return -1"),
        error=(30003, "wrapperOnceExec returned an int, expected a Response"),
    ),
    "None": Row(
        "3.3",
        wrapper("def wrapperOnceExec(self, params, reqData):\n        pass"),
        error=(30003, "wrapperOnceExec returned None, expected a Response"),
    ),
    "an answer by callback and a refusal": Row(
        "3.4",
        wrapper(
            "def wrapperOnceExec(cls, params, reqData):\n        pass\n\n"
            "    def wrapperOnceExecAsync(cls, params, reqData, usrTag, persId=0):\n"
            "        callback(Response().response_err(5), usrTag)\n        return -1",
            imports=CALLBACK,
        ),
        error=(5, "text of 5"),
    ),
    "undeclared outputs of one key, status 1": Row(
        "6",
        wrapper(
            "def wrapperOnceExec(cls, params, reqData):\n"
            "        res = Response()\n        res.list = []\n"
            "        for number in (b'1', b'2'):\n"
            "            data = ResponseData()\n"
            "            data.key, data.type, data.status = 'image', DataImage, 1\n"
            "            data.setData(number)\n"
            "            res.list.append(data)\n"
            "        return res"
        ),
        answer={"image": b"2"},
    ),
    "text as a test value, a key in bytes, an output in JSON": Row(
        "2.4",
        wrapper(
            imports=TRIED + SDK + "from aiges.sdk import JsonBodyField, AudioBodyField\n",
            fields="""

class UserRequest(object):
    ctrl = StringParamField(key=b"number", value=b"1")
    input1 = StringBodyField(key="text", value="as text")
    input2 = AudioBodyField(key="sound", path="absent.wav")


class UserResponse(object):
    accept_outputs = JsonBodyField(key="result")
""",
        ),
    ),
    "no service id and no classes": Row(
        "2.4, 8.4",
        wrapper()
        .replace('    serviceId = "published"\n', "")
        .replace('    version = "backup.0"\n', "")
        .replace("    requestCls = UserRequest()\n    responseCls = UserResponse()\n", ""),
    ),
    "no WrapperBase": Row(
        "3.1",
        wrapper(
            base="object",
            constructor="def __init__(self):\n        self.served = Served()",
            init="def wrapperInit(self, config):\n        return self.served.start(config)",
            once="def wrapperOnceExec(self, params, reqData, usrTag, persId=0):\n"
            "        return self.served.answer(reqData, usrTag)",
            imports=TRIED
            + SDK
            + """

class Served:
    def start(self, config):
        return 0

    def answer(self, reqData, tag):"""
            + ANSWER.replace("SAID", SHOUTED),
        ),
    ),
    "file logs, everywhere and of anything": Row(
        "2.8",
        wrapper(
            exec_of(
                "cls, params, reqData", before="log.info(params); log.warning([1]); flog.debug(3)"
            ),
            imports="import logging\n" + TRIED + SDK + "flog = getFileLogger()\n",
            constructor="def __init__(self, *args, **kwargs):\n"
            "        super().__init__(*args, **kwargs)\n"
            "        self.filelogger = getFileLogger(level=logging.INFO)",
            init="def wrapperInit(self, config):\n        self.filelogger = getFileLogger()\n"
            "        log.info(config)\n        self.filelogger.info('up')\n        return 0",
        ),
    ),
    "the configuration as it comes": Row(
        "3.2",
        wrapper(
            exec_of("self, params, reqData", "self.told"),
            init="def wrapperInit(self, config):\n"
            "        self.told = '%s %s %s' % (int(config.get('common.lic', 10)),"
            " config['requrl'], config.get('supportedResolutions', {}))\n        return 0",
        ),
        answer={"result": b"4 http://x {}"},
    ),
    "its environment": Row(
        "2.12",
        wrapper(
            exec_of("self, params, reqData", "os.environ['FULL_MODEL_PATH']"),
            imports="import os\n" + TRIED + SDK,
        ),
        answer={"result": b"/models/m"},
    ),
    "prints on stdout, at import and later": Row(
        "2.8",
        wrapper(exec_of("cls, params, reqData", before="print('1|1|tcp|x|grpc')"))
        + "\nprint('up')\n",
    ),
    "a wrapperFini that raises": Row(
        "3.7",
        wrapper(
            fini="""
    def wrapperFini(cls):
        log.info('bye', nonsense=1)
"""
        ),
    ),
    "a thread that never ends": Row(
        "3.7, 8.9",
        wrapper(
            imports="import threading\n" + TRIED + SDK,
            init="def wrapperInit(cls, config):\n"
            "        threading.Thread(target=threading.Event().wait).start()\n        return 0",
        ),
    ),
}

RESOURCES: Mapping[str, Row] = {
    f"{name} / {again}": Row(
        "4",
        wrapper(
            exec_of("self, params, reqData", "repr(self.loaded)"),
            init="""def wrapperInit(self, config):
        self.loaded = {}
        return 0""",
            more=f"""def wrapperLoadRes(self, reqData, {name}):
        self.loaded[{name}] = reqData.list[0].data
        return 0

    def wrapperUnloadRes(self, {again}):
        del self.loaded[{again}]
        return 0""",
        ),
    )
    for name, again in (("resId", "resId"), ("patch_id", "patch_id"), ("patch_id", "presid"))
}
