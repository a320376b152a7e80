"""The pages of the app, in the order of their tabs. A new page is a class here and a line of PAGES."""

from ui.pages.audit import Audit
from ui.pages.insight import Insight
from ui.pages.intake import Intake
from ui.pages.lexicons import Lexicons
from ui.pages.page import Page
from ui.pages.release import Release
from ui.pages.review import Review
from ui.pages.story import Story

PAGES: tuple[type[Page], ...] = (Story, Review, Lexicons, Intake, Release, Audit, Insight)
