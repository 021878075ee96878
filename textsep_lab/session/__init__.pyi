from .recordings import Recording as Recording
from .request import Query as Query
from .request import Request as Request
from .request import Run as Run
from .session import Session as Session
